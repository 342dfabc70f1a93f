-- ?1 [[tenant, view, version, index, value, key]].
DELETE e
FROM JSON_TABLE(?1, '$[*]' COLUMNS (
    tenant VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[0]',
    view VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[1]',
    view_version BIGINT PATH '$[2]',
    index_name VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[3]',
    indexed_value VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[4]',
    document_key VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[5]'
)) q
STRAIGHT_JOIN annals_index_entries e
    ON e.tenant = q.tenant AND e.view = q.view AND e.view_version = q.view_version AND e.index_name = q.index_name
    AND e.indexed_value = q.indexed_value AND e.document_key = q.document_key
