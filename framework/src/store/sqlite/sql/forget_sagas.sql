DELETE FROM annals_sagas WHERE +tenant = ?1 AND +saga = ?2 AND status > 0 AND saga_id IN (SELECT unhex(value) FROM json_each(?3))
