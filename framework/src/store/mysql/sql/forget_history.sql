DELETE w
FROM JSON_TABLE(?3, '$[*]' COLUMNS (id CHAR(32) PATH '$')) q
STRAIGHT_JOIN annals_saga_history w ON w.tenant = ?1 AND w.saga = ?2 AND w.saga_id = UNHEX(q.id)
