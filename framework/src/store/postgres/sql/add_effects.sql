-- $3 [[command id, id, slice, number, group, kind, name, text, hexadecimal, metadata, step, scope, label, attempts, not before, parked]].
INSERT INTO annals_effects (tenant, saga, command_id, saga_id, slice, number, together, kind, name, payload, metadata, step, scope, label, attempts, not_before, parked)
SELECT $1, $2, (q.value ->> 0)::uuid, (q.value ->> 1)::uuid, (q.value ->> 2)::bigint, (q.value ->> 3)::bigint, (q.value ->> 4)::bigint,
    (q.value ->> 5)::bigint, q.value ->> 6, coalesce(convert_to(q.value ->> 7, 'UTF8'), decode(q.value ->> 8, 'hex')), q.value ->> 9,
    q.value ->> 10, q.value ->> 11, q.value ->> 12, (q.value ->> 13)::bigint, (q.value ->> 14)::bigint, q.value ->> 15
FROM jsonb_array_elements($3::text::jsonb) WITH ORDINALITY q (value, number)
ORDER BY number
