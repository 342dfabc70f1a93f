-- Of the same ones that `snapshot` finds.
SELECT state_schema
FROM annals_snapshots
WHERE tenant = ?1 AND category = ?2 AND stream_id = ?3 AND NOT EXISTS (
    SELECT 1 FROM annals_streams s
    WHERE s.tenant = ?1 AND s.category = ?2 AND s.stream_id = ?3
        AND (s.status >= 2 OR s.truncate_before > annals_snapshots.version)
)
ORDER BY version DESC, state_schema
