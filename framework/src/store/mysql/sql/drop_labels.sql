-- ?3 [[scope, label]].
DELETE e
FROM JSON_TABLE(?3, '$[*]' COLUMNS (
    scope VARCHAR(2048) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[0]',
    label VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[1]'
)) q
STRAIGHT_JOIN annals_effects e ON e.tenant = ?1 AND e.saga = ?2 AND e.scope = q.scope AND e.label = q.label
