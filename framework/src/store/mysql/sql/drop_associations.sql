-- ?3 [[id, key, value]].
DELETE a
FROM JSON_TABLE(?3, '$[*]' COLUMNS (id CHAR(32) PATH '$[0]', k VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[1]', v VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[2]')) q
STRAIGHT_JOIN annals_associations a
    ON a.tenant = ?1 AND a.saga = ?2 AND a.saga_id = UNHEX(q.id) AND a.association_key = q.k AND a.association_value = q.v
