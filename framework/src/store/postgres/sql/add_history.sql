-- $3 [[id, at, entry]].
INSERT INTO annals_saga_history (tenant, saga, saga_id, at, entry)
SELECT $1, $2, (q.value ->> 0)::uuid, (q.value ->> 1)::bigint, q.value ->> 2
FROM jsonb_array_elements($3::text::jsonb) WITH ORDINALITY q (value, number)
ORDER BY number
