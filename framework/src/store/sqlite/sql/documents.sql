SELECT document_key, revision, body
FROM annals_documents
WHERE tenant = ?1 AND view = ?2 AND view_version = ?3 AND body IS NOT NULL
    AND document_key IN (SELECT value FROM json_each(?4))
