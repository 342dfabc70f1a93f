-- ?1 tenant, ?2 view, ?3 its version, ?4 [[key, text, hexadecimal]].
INSERT INTO annals_documents (tenant, view, view_version, document_key, revision, body)
SELECT ?1, ?2, ?3, value ->> 0, 1, coalesce(value ->> 1, unhex(value ->> 2))
FROM json_each(?4) WHERE true
ON CONFLICT DO UPDATE SET revision = revision + 1, body = excluded.body
