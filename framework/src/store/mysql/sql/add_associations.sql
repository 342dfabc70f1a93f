-- ?4 [[key, value]].
INSERT INTO annals_associations (tenant, saga, association_key, association_value, saga_id)
SELECT ?1, ?2, q.k, q.v, ?3
FROM JSON_TABLE(?4, '$[*]' COLUMNS (k VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[0]', v VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[1]')) q
ON DUPLICATE KEY UPDATE saga_id = VALUES(saga_id)
