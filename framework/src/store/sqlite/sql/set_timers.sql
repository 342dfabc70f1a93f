-- ?3 [[id, slice, name, due]].
INSERT OR REPLACE INTO annals_timers (tenant, saga, saga_id, slice, name, due)
SELECT ?1, ?2, unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3 FROM json_each(?3)
