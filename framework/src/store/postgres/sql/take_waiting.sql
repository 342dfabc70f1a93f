-- $3 [[id, number]].
DELETE FROM annals_saga_waiting
WHERE tenant = $1 AND saga = $2
    AND saga_id = ANY (ARRAY(SELECT (value ->> 0)::uuid FROM jsonb_array_elements($3::text::jsonb) q (value)))
    AND (saga_id, number) IN (SELECT (q.value ->> 0)::uuid, (q.value ->> 1)::bigint FROM jsonb_array_elements($3::text::jsonb) q (value))
