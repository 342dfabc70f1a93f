SELECT s.saga_id, s.revision, s.version, s.state, s.progress, s.status, s.slice, s.position, s.start_key, s.effects, s.step, s.attention, s.began, s.changed
FROM (
    SELECT DISTINCT UNHEX(id) AS saga_id FROM JSON_TABLE(?3, '$[*]' COLUMNS (id CHAR(32) PATH '$')) ids
) q
STRAIGHT_JOIN annals_sagas s ON s.tenant = ?1 AND s.saga = ?2 AND s.saga_id = q.saga_id
