-- $1 tenant, $2 view, $3 its version, $4 [key]. Key by key: to a planner that does not know how many documents a view has, it
-- would look as good to read all of them and to look for each in the list.
SELECT d.document_key, d.revision, d.body
FROM (SELECT DISTINCT value COLLATE "C" AS k FROM jsonb_array_elements_text($4::text::jsonb)) q
CROSS JOIN LATERAL (
    SELECT document_key, revision, body FROM annals_documents
    WHERE tenant = $1 AND view = $2 AND view_version = $3 AND document_key = q.k AND body IS NOT NULL
    OFFSET 0
) d
