-- ?3 [[key, value]]: those that stay.
DELETE FROM annals_associations
WHERE saga = ?1 AND saga_id = ?2
    AND (association_key, association_value) NOT IN (SELECT value ->> 0, value ->> 1 FROM json_each(?3))
