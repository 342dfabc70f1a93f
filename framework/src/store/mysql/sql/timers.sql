SELECT t.tenant, t.saga, t.saga_id, t.slice, t.name, t.due
FROM (
    SELECT DISTINCT UNHEX(id) AS saga_id FROM JSON_TABLE(?3, '$[*]' COLUMNS (id CHAR(32) PATH '$')) ids
) q
STRAIGHT_JOIN annals_timers t ON t.tenant = ?1 AND t.saga = ?2 AND t.saga_id = q.saga_id
ORDER BY t.due, t.saga_id, t.name
