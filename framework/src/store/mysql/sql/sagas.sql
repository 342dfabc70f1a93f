SELECT s.saga_id, s.revision, s.state, s.progress, s.ended, s.effects
FROM (
    SELECT DISTINCT UNHEX(id) AS saga_id FROM JSON_TABLE(?3, '$[*]' COLUMNS (id CHAR(32) PATH '$')) ids
) q
STRAIGHT_JOIN annals_sagas s ON s.tenant = ?1 AND s.saga = ?2 AND s.saga_id = q.saga_id
