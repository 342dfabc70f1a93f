-- $1 tenant, $2 view, $3 its version, $4 [key], each once and in order, $5 [body]. Most documents are there already: a
-- plain update finds a row once and locks it by writing it; an insert that meets one looks for it, locks it, and then writes it.
WITH q AS MATERIALIZED (SELECT k, body FROM unnest($4::text[], $5::bytea[]) q (k, body)),
updated AS (
    UPDATE annals_documents d
    SET revision = d.revision + 1, body = q.body
    FROM q
    WHERE d.tenant = $1 AND d.view = $2 AND d.view_version = $3 AND d.document_key = q.k COLLATE "C"
    RETURNING d.document_key
)
INSERT INTO annals_documents AS d (tenant, view, view_version, document_key, revision, body)
SELECT $1, $2, $3, q.k, 1, q.body
FROM q
WHERE NOT EXISTS (SELECT FROM updated u WHERE u.document_key = q.k COLLATE "C")
ON CONFLICT (tenant, view, view_version, document_key) DO UPDATE SET revision = d.revision + 1, body = excluded.body
