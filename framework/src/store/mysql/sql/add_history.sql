-- ?3 [[id, at, entry]].
INSERT INTO annals_saga_history (tenant, saga, saga_id, at, entry)
SELECT ?1, ?2, UNHEX(q.id), q.at, q.entry
FROM JSON_TABLE(?3, '$[*]' COLUMNS (id CHAR(32) PATH '$[0]', at BIGINT PATH '$[1]', entry LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[2]')) q
