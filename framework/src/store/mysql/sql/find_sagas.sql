-- ?3 [[key, value]], ?4 [id].
SELECT a.saga_id
FROM JSON_TABLE(?3, '$[*]' COLUMNS (k VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[0]', v VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[1]')) q
STRAIGHT_JOIN annals_associations a
    ON a.tenant = ?1 AND a.saga = ?2 AND a.association_key = q.k AND a.association_value = q.v
UNION
SELECT UNHEX(id) FROM JSON_TABLE(?4, '$[*]' COLUMNS (id CHAR(32) PATH '$')) ids
