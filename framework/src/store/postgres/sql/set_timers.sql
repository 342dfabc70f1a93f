-- $3 [[id, slice, name, due]].
INSERT INTO annals_timers (tenant, saga, saga_id, slice, name, due)
SELECT DISTINCT ON (q.value ->> 0, q.value ->> 2)
    $1, $2, (q.value ->> 0)::uuid, (q.value ->> 1)::bigint, q.value ->> 2, (q.value ->> 3)::bigint
FROM jsonb_array_elements($3::text::jsonb) WITH ORDINALITY q (value, number)
ORDER BY q.value ->> 0, q.value ->> 2, number DESC
ON CONFLICT (saga_id, name, saga, tenant) DO UPDATE SET due = excluded.due
