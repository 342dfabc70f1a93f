SELECT tenant, saga, saga_id, slice, name, due FROM annals_timers
WHERE +tenant = ?1 AND +saga = ?2 AND saga_id IN (SELECT unhex(value) FROM json_each(?3))
ORDER BY due, saga_id, name
