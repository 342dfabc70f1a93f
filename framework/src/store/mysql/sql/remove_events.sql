DELETE e
FROM JSON_TABLE(?1, '$[*]' COLUMNS (position BIGINT PATH '$')) q
STRAIGHT_JOIN annals_events e ON e.position = q.position
