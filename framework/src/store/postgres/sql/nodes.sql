SELECT node, name, processors, CASE WHEN expires_at > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint THEN 1 ELSE 0 END
FROM annals_nodes
WHERE tenant = $1
ORDER BY node
