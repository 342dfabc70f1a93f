-- ?3 [[id, key, value]].
INSERT INTO annals_associations (tenant, saga, association_key, association_value, saga_id)
SELECT ?1, ?2, q.k, q.v, UNHEX(q.id)
FROM JSON_TABLE(?3, '$[*]' COLUMNS (id CHAR(32) PATH '$[0]', k VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[1]', v VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[2]')) q
ON DUPLICATE KEY UPDATE saga_id = VALUES(saga_id)
