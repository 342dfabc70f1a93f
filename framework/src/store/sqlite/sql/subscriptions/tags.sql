SELECT position, tags FROM annals_events
WHERE tenant = ?1 AND position IN (SELECT value FROM json_each(?2))
