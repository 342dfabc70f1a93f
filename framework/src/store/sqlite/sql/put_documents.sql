INSERT INTO annals_documents (tenant, view, view_version, document_key, revision, body)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, coalesce(value ->> 5, unhex(value ->> 6))
FROM json_each(?1) WHERE true
ON CONFLICT DO UPDATE SET revision = excluded.revision, body = excluded.body
