DELETE t
FROM JSON_TABLE(?3, '$[*]' COLUMNS (id CHAR(32) PATH '$')) q
STRAIGHT_JOIN annals_timers t ON t.tenant = ?1 AND t.saga = ?2 AND t.saga_id = UNHEX(q.id)
