SELECT node, name, processors, CASE WHEN expires_at > CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED) THEN 1 ELSE 0 END
FROM annals_nodes
WHERE tenant = ?1
ORDER BY node
