-- ?4 [[key, value]].
INSERT OR IGNORE INTO annals_associations (tenant, saga, association_key, association_value, saga_id)
SELECT ?1, ?2, value ->> 0, value ->> 1, ?3 FROM json_each(?4)
