SELECT e.position, e.tags
FROM JSON_TABLE(?2, '$[*]' COLUMNS (position BIGINT PATH '$')) q
STRAIGHT_JOIN annals_events e ON e.position = q.position AND e.tenant = ?1
