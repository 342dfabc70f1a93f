-- $3 [[id, key, value]]. Nobody else writes to the instances meanwhile: their rows were written before, and are locked.
INSERT INTO annals_associations (tenant, saga, association_key, association_value, saga_id)
SELECT DISTINCT $1, $2, q.value ->> 1, q.value ->> 2, (q.value ->> 0)::uuid
FROM jsonb_array_elements($3::text::jsonb) q (value)
WHERE NOT EXISTS (
    SELECT FROM annals_associations a
    WHERE a.tenant = $1 AND a.saga = $2 AND a.saga_id = (q.value ->> 0)::uuid AND a.association_key = q.value ->> 1
        AND a.association_value = q.value ->> 2
    OFFSET 0
)
