-- $3 [[id, revision, version, text, hexadecimal, progress, status, slice, position, key, effects, step, attention, began, changed]].
INSERT INTO annals_sagas (tenant, saga, saga_id, revision, version, state, progress, status, slice, position, start_key, effects, step, attention, began, changed)
SELECT $1, $2, (q.value ->> 0)::uuid, 1, (q.value ->> 2)::bigint, coalesce(convert_to(q.value ->> 3, 'UTF8'), decode(q.value ->> 4, 'hex')),
    q.value ->> 5, (q.value ->> 6)::bigint, (q.value ->> 7)::bigint, (q.value ->> 8)::bigint, q.value ->> 9, (q.value ->> 10)::bigint,
    q.value ->> 11, q.value ->> 12, (q.value ->> 13)::bigint, (q.value ->> 14)::bigint
FROM jsonb_array_elements($3::text::jsonb) q (value)
ON CONFLICT DO NOTHING
