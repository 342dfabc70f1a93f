SELECT DISTINCT component, sequence
FROM annals_dead_letters
WHERE tenant = ?1 AND processor = ?2 AND sequence IN (SELECT value FROM json_each(?3)) AND state < 2
