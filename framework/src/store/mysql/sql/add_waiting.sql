-- ?3 [[id, number, input]].
INSERT INTO annals_saga_waiting (tenant, saga, saga_id, number, input)
SELECT ?1, ?2, UNHEX(q.id), q.number, q.input
FROM JSON_TABLE(?3, '$[*]' COLUMNS (id CHAR(32) PATH '$[0]', number BIGINT PATH '$[1]', input LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[2]')) q
