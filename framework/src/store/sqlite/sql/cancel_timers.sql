DELETE FROM annals_timers
WHERE saga = ?1 AND saga_id = ?2 AND name IN (SELECT value FROM json_each(?3))
