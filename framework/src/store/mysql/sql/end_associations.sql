DELETE a
FROM JSON_TABLE(?3, '$[*]' COLUMNS (id CHAR(32) PATH '$')) q
STRAIGHT_JOIN annals_associations a ON a.tenant = ?1 AND a.saga = ?2 AND a.saga_id = UNHEX(q.id)
