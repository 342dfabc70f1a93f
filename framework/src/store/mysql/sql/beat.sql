INSERT INTO annals_nodes (tenant, node, name, processors, expires_at)
VALUES (?1, ?2, ?3, ?4, CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED) + ?5)
ON DUPLICATE KEY UPDATE name = VALUES(name), processors = VALUES(processors), expires_at = VALUES(expires_at)
