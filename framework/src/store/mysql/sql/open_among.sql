SELECT e.command_id
FROM JSON_TABLE(?2, '$[*]' COLUMNS (id CHAR(32) PATH '$')) q
STRAIGHT_JOIN annals_effects e ON e.tenant = ?1 AND e.command_id = UNHEX(q.id)
