SELECT max(version)
FROM annals_events
WHERE tenant = ?1 AND category = ?2 AND stream_id = ?3 AND NOT EXISTS (
    SELECT 1 FROM annals_streams
    WHERE tenant = ?1 AND category = ?2 AND stream_id = ?3 AND status >= 2
)
