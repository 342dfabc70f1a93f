-- ?4 [[name, due]].
INSERT INTO annals_timers (tenant, saga, saga_id, name, due)
SELECT ?1, ?2, ?3, q.name, q.due
FROM JSON_TABLE(?4, '$[*]' COLUMNS (name VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[0]', due BIGINT PATH '$[1]')) q
ON DUPLICATE KEY UPDATE due = VALUES(due)
