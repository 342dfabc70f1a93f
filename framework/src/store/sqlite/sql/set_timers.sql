-- ?3 [[name, due]].
INSERT OR REPLACE INTO annals_timers (saga, saga_id, name, due)
SELECT ?1, ?2, value ->> 0, value ->> 1 FROM json_each(?3)
