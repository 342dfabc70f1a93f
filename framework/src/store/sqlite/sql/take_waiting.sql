-- ?3 [[id, number]].
DELETE FROM annals_saga_waiting
WHERE (saga_id, number, saga, tenant) IN (SELECT unhex(value ->> 0), value ->> 1, ?2, ?1 FROM json_each(?3))
