-- Streams from which events may have to go, from a stream on.
SELECT s.tenant, s.category, s.stream_id, s.max_age, s.max_count
FROM annals_streams s
WHERE (s.tenant, s.category, s.stream_id) >= (?1, ?2, ?3)
    AND (s.max_age IS NOT NULL OR s.max_count IS NOT NULL OR EXISTS (
        SELECT 1 FROM annals_events e
        WHERE e.tenant = s.tenant AND e.category = s.category AND e.stream_id = s.stream_id AND e.visibility = 2
    ))
ORDER BY s.tenant, s.category, s.stream_id
LIMIT ?4
