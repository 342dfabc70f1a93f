-- ?3 [[id, number]].
DELETE FROM annals_saga_waiting
WHERE (tenant, saga, saga_id, number) IN (SELECT ?1, ?2, unhex(value ->> 0), value ->> 1 FROM json_each(?3))
