DELETE FROM annals_saga_history WHERE +tenant = ?1 AND +saga = ?2 AND saga_id IN (SELECT unhex(value) FROM json_each(?3))
