-- ?3 [[id, key, value]].
INSERT OR IGNORE INTO annals_associations (tenant, saga, association_key, association_value, saga_id)
SELECT ?1, ?2, value ->> 1, value ->> 2, unhex(value ->> 0) FROM json_each(?3)
