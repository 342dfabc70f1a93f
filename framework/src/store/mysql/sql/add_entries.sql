-- ?1 [[tenant, view, version, index, value, key]].
INSERT INTO annals_index_entries (tenant, view, view_version, index_name, indexed_value, document_key)
SELECT q.tenant, q.view, q.view_version, q.index_name, q.indexed_value, q.document_key
FROM JSON_TABLE(?1, '$[*]' COLUMNS (
    tenant VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[0]',
    view VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[1]',
    view_version BIGINT PATH '$[2]',
    index_name VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[3]',
    indexed_value VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[4]',
    document_key VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[5]'
)) q
ON DUPLICATE KEY UPDATE document_key = VALUES(document_key)
