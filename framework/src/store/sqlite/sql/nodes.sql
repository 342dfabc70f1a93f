SELECT node, name, processors, CASE WHEN expires_at > CAST(unixepoch('subsec') * 1000000 AS INTEGER) THEN 1 ELSE 0 END
FROM annals_nodes
WHERE tenant = ?1
ORDER BY node
