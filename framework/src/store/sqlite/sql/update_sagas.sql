-- ?3 [[id, revision, version, text, hexadecimal, progress, status, slice, position, key, effects, step, attention, began, changed]].
UPDATE annals_sagas AS s
SET revision = s.revision + 1, version = q.value ->> 2, state = coalesce(q.value ->> 3, unhex(q.value ->> 4)),
    progress = q.value ->> 5, status = q.value ->> 6, position = q.value ->> 8, start_key = q.value ->> 9, effects = q.value ->> 10,
    step = q.value ->> 11, attention = q.value ->> 12, changed = q.value ->> 14
FROM json_each(?3) q
WHERE +s.tenant = ?1 AND +s.saga = ?2 AND s.saga_id = unhex(q.value ->> 0) AND s.revision = q.value ->> 1
