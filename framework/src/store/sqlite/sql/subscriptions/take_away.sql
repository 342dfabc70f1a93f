DELETE FROM annals_deliveries
WHERE tenant = ?1 AND subscription = ?2 AND position IN (SELECT value FROM json_each(?3))
