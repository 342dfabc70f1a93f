DELETE t
FROM JSON_TABLE(?4, '$[*]' COLUMNS (name VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$')) q
STRAIGHT_JOIN annals_timers t ON t.tenant = ?1 AND t.saga = ?2 AND t.saga_id = ?3 AND t.name = q.name
