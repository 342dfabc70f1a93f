SELECT document_key, revision, body
FROM annals_documents
WHERE tenant = $1 AND view = $2 AND view_version = $3 AND body IS NOT NULL
    AND document_key = ANY (ARRAY(SELECT jsonb_array_elements_text($4::text::jsonb)))
