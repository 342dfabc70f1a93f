SELECT saga_id, revision, version, state, progress, status, slice, position, start_key, effects, step, attention, began, changed
FROM annals_sagas
WHERE +tenant = ?1 AND +saga = ?2 AND saga_id IN (SELECT unhex(value) FROM json_each(?3))
