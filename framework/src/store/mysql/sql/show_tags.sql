UPDATE annals_events e
STRAIGHT_JOIN JSON_TABLE(e.tags, '$[*]' COLUMNS (tag VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$')) q
STRAIGHT_JOIN annals_tags t ON t.tenant = e.tenant AND t.tag = q.tag AND t.position = e.position
SET t.visibility = e.visibility
WHERE e.tenant = ?1 AND e.category = ?2 AND e.stream_id = ?3
