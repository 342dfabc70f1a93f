-- ?3 [[id, number, input]].
INSERT INTO annals_saga_waiting (tenant, saga, saga_id, number, input)
SELECT ?1, ?2, unhex(value ->> 0), value ->> 1, value ->> 2 FROM json_each(?3)
