SELECT saga_id, association_key, association_value
FROM annals_associations
WHERE saga = ?1 AND saga_id IN (SELECT unhex(value) FROM json_each(?2))
ORDER BY association_key, association_value
