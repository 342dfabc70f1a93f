-- $3 [[key, value]], $4 [id].
SELECT a.saga_id
FROM jsonb_array_elements($3::text::jsonb) q (value)
CROSS JOIN LATERAL (
    SELECT a.saga_id FROM annals_associations a
    WHERE a.tenant = $1 AND a.saga = $2 AND a.association_key = q.value ->> 0
        AND left(a.association_value, 200) = left(q.value ->> 1, 200) AND a.association_value = q.value ->> 1
    OFFSET 0
) a
UNION
SELECT value::uuid FROM jsonb_array_elements_text($4::text::jsonb) q (value)
