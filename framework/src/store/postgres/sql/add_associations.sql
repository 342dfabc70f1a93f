-- $4 [[key, value]]. Nobody else writes to the instance meanwhile: its row was written before, and is locked.
INSERT INTO annals_associations (tenant, saga, association_key, association_value, saga_id)
SELECT DISTINCT $1, $2, q.value ->> 0, q.value ->> 1, $3
FROM jsonb_array_elements($4::text::jsonb) q (value)
WHERE NOT EXISTS (
    SELECT FROM annals_associations a
    WHERE a.tenant = $1 AND a.saga = $2 AND a.saga_id = $3 AND a.association_key = q.value ->> 0
        AND a.association_value = q.value ->> 1
)
