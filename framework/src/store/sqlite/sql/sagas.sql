SELECT saga_id, revision, state, progress, ended, effects
FROM annals_sagas
WHERE saga = ?1 AND saga_id IN (SELECT unhex(value) FROM json_each(?2))
