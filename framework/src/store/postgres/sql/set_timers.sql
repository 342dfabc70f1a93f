-- $4 [[name, due]].
INSERT INTO annals_timers (tenant, saga, saga_id, name, due)
SELECT DISTINCT ON (value ->> 0) $1, $2, $3, value ->> 0, (value ->> 1)::bigint
FROM jsonb_array_elements($4::text::jsonb) WITH ORDINALITY q (value, number)
ORDER BY value ->> 0, number DESC
ON CONFLICT (tenant, saga, saga_id, name) DO UPDATE SET due = excluded.due
