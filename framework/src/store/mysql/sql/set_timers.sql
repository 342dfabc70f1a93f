-- ?3 [[id, slice, name, due]].
INSERT INTO annals_timers (tenant, saga, saga_id, slice, name, due)
SELECT ?1, ?2, UNHEX(q.id), q.slice, q.name, q.due
FROM JSON_TABLE(?3, '$[*]' COLUMNS (id CHAR(32) PATH '$[0]', slice BIGINT PATH '$[1]', name VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[2]', due BIGINT PATH '$[3]')) q
ON DUPLICATE KEY UPDATE due = VALUES(due)
