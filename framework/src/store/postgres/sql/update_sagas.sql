-- $3 [[id, revision, version, text, hexadecimal, progress, status, slice, position, key, effects, step, attention, began, changed]]. Each row is looked up by itself: joined
-- with the list, a planner that knows nothing of the table compares all with all.
UPDATE annals_sagas s
SET revision = s.revision + 1, version = (q.value ->> 2)::bigint, state = coalesce(convert_to(q.value ->> 3, 'UTF8'), decode(q.value ->> 4, 'hex')),
    progress = q.value ->> 5, status = (q.value ->> 6)::bigint, position = (q.value ->> 8)::bigint, start_key = q.value ->> 9,
    effects = (q.value ->> 10)::bigint, step = q.value ->> 11, attention = q.value ->> 12, changed = (q.value ->> 14)::bigint
FROM jsonb_array_elements($3::text::jsonb) q (value)
CROSS JOIN LATERAL (
    SELECT t.ctid AS place FROM annals_sagas t
    WHERE t.tenant = $1 AND t.saga = $2 AND t.saga_id = (q.value ->> 0)::uuid AND t.revision = (q.value ->> 1)::bigint
    OFFSET 0
) found
WHERE s.ctid = found.place
