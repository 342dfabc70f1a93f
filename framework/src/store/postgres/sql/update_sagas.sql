-- $3 [[id, revision, version, text, hexadecimal, progress, status, slice, position, key, effects, step, attention, began, changed]]. The ids stand there twice, so that a planner that guesses
-- does not read the whole table.
UPDATE annals_sagas s
SET revision = s.revision + 1, version = (q.value ->> 2)::bigint, state = coalesce(convert_to(q.value ->> 3, 'UTF8'), decode(q.value ->> 4, 'hex')),
    progress = q.value ->> 5, status = (q.value ->> 6)::bigint, position = (q.value ->> 8)::bigint, start_key = q.value ->> 9,
    effects = (q.value ->> 10)::bigint, step = q.value ->> 11, attention = q.value ->> 12, changed = (q.value ->> 14)::bigint
FROM jsonb_array_elements($3::text::jsonb) q (value)
WHERE s.tenant = $1 AND s.saga = $2
    AND s.saga_id = ANY (ARRAY(SELECT (value ->> 0)::uuid FROM jsonb_array_elements($3::text::jsonb) q (value)))
    AND s.saga_id = (q.value ->> 0)::uuid AND s.revision = (q.value ->> 1)::bigint
