-- The rows are locked already, and seen as they are now: a snapshot of the transaction may be older.
SELECT d.document_key, d.revision, d.body
FROM (SELECT DISTINCT k FROM JSON_TABLE(?4, '$[*]' COLUMNS (k VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$')) keys_of) q
STRAIGHT_JOIN annals_documents d
    ON d.tenant = ?1 AND d.view = ?2 AND d.view_version = ?3 AND d.document_key = q.k
WHERE d.body IS NOT NULL
FOR UPDATE
