SELECT saga_id, association_key, association_value
FROM annals_associations
WHERE +tenant = ?1 AND +saga = ?2 AND saga_id IN (SELECT unhex(value) FROM json_each(?3))
ORDER BY association_key, association_value
