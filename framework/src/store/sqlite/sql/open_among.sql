SELECT command_id FROM annals_effects
WHERE tenant = ?1 AND command_id IN (SELECT unhex(value) FROM json_each(?2))
