DELETE FROM annals_timers
WHERE tenant = ?1 AND saga = ?2 AND saga_id = ?3 AND name IN (SELECT value FROM json_each(?4))
