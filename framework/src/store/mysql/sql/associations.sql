SELECT a.saga_id, a.association_key, a.association_value
FROM (
    SELECT DISTINCT UNHEX(id) AS saga_id FROM JSON_TABLE(?3, '$[*]' COLUMNS (id CHAR(32) PATH '$')) ids
) q
STRAIGHT_JOIN annals_associations a ON a.tenant = ?1 AND a.saga = ?2 AND a.saga_id = q.saga_id
ORDER BY a.association_key, a.association_value
