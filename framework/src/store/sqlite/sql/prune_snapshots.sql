DELETE FROM annals_snapshots
WHERE EXISTS (
    SELECT 1 FROM annals_snapshots newer
    WHERE newer.tenant = annals_snapshots.tenant AND newer.category = annals_snapshots.category
        AND newer.stream_id = annals_snapshots.stream_id AND newer.version > annals_snapshots.version
) OR EXISTS (
    SELECT 1 FROM annals_streams s
    WHERE s.tenant = annals_snapshots.tenant AND s.category = annals_snapshots.category
        AND s.stream_id = annals_snapshots.stream_id AND s.status >= 2
)
