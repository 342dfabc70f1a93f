-- $3 [[id, key, value]].
DELETE FROM annals_associations
WHERE tenant = $1 AND saga = $2
    AND saga_id = ANY (ARRAY(SELECT (value ->> 0)::uuid FROM jsonb_array_elements($3::text::jsonb) q (value)))
    AND (saga_id, association_key, association_value) IN (
        SELECT (q.value ->> 0)::uuid, q.value ->> 1, q.value ->> 2 FROM jsonb_array_elements($3::text::jsonb) q (value)
    )
