-- $3 [[position, sequence, state, attempts, number, consumer, due, replayed, reason]].
INSERT INTO annals_deliveries
    (tenant, subscription, position, sequence, state, attempts, number, consumer, due, replayed, reason)
SELECT
    $1, $2, (value ->> 0)::bigint, value ->> 1, (value ->> 2)::smallint, (value ->> 3)::bigint, (value ->> 4)::bigint,
    value ->> 5, (value ->> 6)::bigint, (value ->> 7)::smallint, value ->> 8
FROM jsonb_array_elements($3::text::jsonb) q (value)
ON CONFLICT (tenant, subscription, position) DO UPDATE
SET sequence = excluded.sequence, state = excluded.state, attempts = excluded.attempts, number = excluded.number,
    consumer = excluded.consumer, due = excluded.due, replayed = excluded.replayed, reason = excluded.reason
