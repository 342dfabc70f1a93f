-- ?3 [[id, name]].
DELETE t
FROM JSON_TABLE(?3, '$[*]' COLUMNS (id CHAR(32) PATH '$[0]', name VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[1]')) q
STRAIGHT_JOIN annals_timers t ON t.tenant = ?1 AND t.saga = ?2 AND t.saga_id = UNHEX(q.id) AND t.name = q.name
