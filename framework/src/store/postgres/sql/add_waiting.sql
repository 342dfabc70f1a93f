-- $3 [[id, number, input]].
INSERT INTO annals_saga_waiting (tenant, saga, saga_id, number, input)
SELECT $1, $2, (q.value ->> 0)::uuid, (q.value ->> 1)::bigint, q.value ->> 2
FROM jsonb_array_elements($3::text::jsonb) q (value)
