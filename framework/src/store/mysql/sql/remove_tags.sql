-- ?1 [[tenant, tag, position]].
DELETE t
FROM JSON_TABLE(?1, '$[*]' COLUMNS (
    tenant VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[0]',
    tag VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[1]',
    position BIGINT PATH '$[2]'
)) q
STRAIGHT_JOIN annals_tags t ON t.tenant = q.tenant AND t.tag = q.tag AND t.position = q.position
