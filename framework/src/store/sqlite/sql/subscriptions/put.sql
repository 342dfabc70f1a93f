-- ?3 [[position, sequence, state, attempts, number, consumer, due, replayed, reason]].
INSERT OR REPLACE INTO annals_deliveries
    (tenant, subscription, position, sequence, state, attempts, number, consumer, due, replayed, reason)
SELECT
    ?1, ?2, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8
FROM json_each(?3)
