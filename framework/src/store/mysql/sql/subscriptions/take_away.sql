DELETE d
FROM JSON_TABLE(?3, '$[*]' COLUMNS (position BIGINT PATH '$')) q
STRAIGHT_JOIN annals_deliveries d ON d.tenant = ?1 AND d.subscription = ?2 AND d.position = q.position
