DELETE o
FROM annals_snapshots o
LEFT JOIN annals_snapshots n
    ON n.tenant = o.tenant AND n.category = o.category AND n.stream_id = o.stream_id AND n.version > o.version
LEFT JOIN annals_streams s
    ON s.tenant = o.tenant AND s.category = o.category AND s.stream_id = o.stream_id AND s.status >= 2
WHERE n.tenant IS NOT NULL OR s.tenant IS NOT NULL
