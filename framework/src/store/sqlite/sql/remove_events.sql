DELETE FROM annals_events WHERE position IN (SELECT value FROM json_each(?1))
