DELETE FROM annals_effects WHERE command_id IN (SELECT unhex(value) FROM json_each(?1))
