-- ?1 tenant, ?2 view, ?3 its version, ?4 [[key, text, hexadecimal]].
INSERT INTO annals_documents (tenant, view, view_version, document_key, revision, body)
SELECT ?1, ?2, ?3, q.k, 1, COALESCE(CAST(q.body AS BINARY), UNHEX(q.digits))
FROM JSON_TABLE(?4, '$[*]' COLUMNS (
    k VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[0]',
    body LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[1]',
    digits LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[2]'
)) q
ON DUPLICATE KEY UPDATE revision = revision + 1, body = VALUES(body)
