-- ?3 [[id, at, entry]].
INSERT INTO annals_saga_history (tenant, saga, saga_id, at, entry)
SELECT ?1, ?2, unhex(value ->> 0), value ->> 1, value ->> 2 FROM json_each(?3) ORDER BY key
