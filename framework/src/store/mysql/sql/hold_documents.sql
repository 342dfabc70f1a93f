-- Locks the rows until the transaction ends. A missing document gets one without a body first: InnoDB locks no row that
-- is not there.
INSERT INTO annals_documents (tenant, view, view_version, document_key, revision)
SELECT ?1, ?2, ?3, q.k, 0
FROM (SELECT DISTINCT k FROM JSON_TABLE(?4, '$[*]' COLUMNS (k VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$')) keys_of) q
ORDER BY q.k
ON DUPLICATE KEY UPDATE revision = annals_documents.revision
