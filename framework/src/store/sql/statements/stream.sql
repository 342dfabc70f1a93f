-- One row: the newest version that is there, the oldest one that readers see, and the row of the stream if it has one.
SELECT
    (SELECT max(version) FROM annals_events WHERE tenant = ?1 AND category = ?2 AND stream_id = ?3),
    (SELECT min(version) FROM annals_events
        WHERE tenant = ?1 AND category = ?2 AND stream_id = ?3 AND visibility < 2),
    s.newest, s.status, s.truncate_before, s.max_age, s.max_count
FROM (SELECT 1 AS asked) q
LEFT JOIN annals_streams s ON s.tenant = ?1 AND s.category = ?2 AND s.stream_id = ?3
