-- ?4 the version after which is looked, ?5 events before this version go, ?6 older ones than this instant go, but for
-- the newest of the stream. The newest event of the store always stays.
SELECT version, position, octet_length(payload) + octet_length(metadata), visibility, tags
FROM annals_events
WHERE tenant = ?1 AND category = ?2 AND stream_id = ?3 AND version > ?4
    AND (visibility = 2 OR version < ?5 OR (recorded_at < ?6 AND version < (
        SELECT max(version) FROM annals_events WHERE tenant = ?1 AND category = ?2 AND stream_id = ?3
    )))
    AND position < (SELECT max(position) FROM annals_events)
ORDER BY version
LIMIT ?7
