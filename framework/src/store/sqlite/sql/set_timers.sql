-- ?4 [[name, due]].
INSERT OR REPLACE INTO annals_timers (tenant, saga, saga_id, name, due)
SELECT ?1, ?2, ?3, value ->> 0, value ->> 1 FROM json_each(?4)
