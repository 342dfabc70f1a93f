-- ?3 [[key, value]].
INSERT OR IGNORE INTO annals_associations (saga, association_key, association_value, saga_id)
SELECT ?1, value ->> 0, value ->> 1, ?2 FROM json_each(?3)
