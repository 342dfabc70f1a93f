DELETE FROM annals_snapshots old
WHERE EXISTS (
    SELECT 1 FROM annals_snapshots newer
    WHERE newer.tenant = old.tenant AND newer.category = old.category AND newer.stream_id = old.stream_id
        AND newer.version > old.version
) OR EXISTS (
    SELECT 1 FROM annals_streams s
    WHERE s.tenant = old.tenant AND s.category = old.category AND s.stream_id = old.stream_id AND s.status >= 2
)
