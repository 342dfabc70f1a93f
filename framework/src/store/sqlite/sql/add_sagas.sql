-- ?3 [[id, revision, version, text, hexadecimal, progress, status, slice, position, key, effects, step, attention, began, changed]].
INSERT OR IGNORE INTO annals_sagas (tenant, saga, saga_id, revision, version, state, progress, status, slice, position, start_key, effects, step, attention, began, changed)
SELECT ?1, ?2, unhex(value ->> 0), 1, value ->> 2, coalesce(value ->> 3, unhex(value ->> 4)), value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14
FROM json_each(?3)
