-- $1 tenant, $2 view, $3 its version, $4 [[key, text, hexadecimal]]. In the order of the keys, so that two
-- transactions that write the same documents wait for each other in the same order. Of one key the last write counts.
INSERT INTO annals_documents AS d (tenant, view, view_version, document_key, revision, body)
SELECT DISTINCT ON (value ->> 0)
    $1, $2, $3::bigint, value ->> 0, 1, coalesce(convert_to(value ->> 1, 'UTF8'), decode(value ->> 2, 'hex'))
FROM jsonb_array_elements($4::text::jsonb) WITH ORDINALITY q (value, number)
ORDER BY value ->> 0, number DESC
ON CONFLICT (tenant, view, view_version, document_key) DO UPDATE SET revision = d.revision + 1, body = excluded.body
