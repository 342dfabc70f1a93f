-- ?3 [[id, name]].
DELETE FROM annals_timers
WHERE (tenant, saga, saga_id, name) IN (SELECT ?1, ?2, unhex(value ->> 0), value ->> 1 FROM json_each(?3))
