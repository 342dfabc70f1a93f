-- ?4 [[key, value]]: those that stay.
DELETE a
FROM annals_associations a
LEFT JOIN JSON_TABLE(?4, '$[*]' COLUMNS (k VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[0]', v VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[1]')) q
    ON q.k = a.association_key AND q.v = a.association_value
WHERE a.tenant = ?1 AND a.saga = ?2 AND a.saga_id = ?3 AND q.k IS NULL
