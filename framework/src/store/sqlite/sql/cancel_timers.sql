-- ?3 [[id, name]].
DELETE FROM annals_timers
WHERE (saga_id, name, saga, tenant) IN (SELECT unhex(value ->> 0), value ->> 1, ?2, ?1 FROM json_each(?3))
