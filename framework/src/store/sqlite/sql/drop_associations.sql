-- ?3 [[id, key, value]].
DELETE FROM annals_associations
WHERE (tenant, saga, association_key, association_value, saga_id) IN (
    SELECT ?1, ?2, value ->> 1, value ->> 2, unhex(value ->> 0) FROM json_each(?3)
)
