-- $1 [[tenant, category, stream id, schema, version, position, state as text, state in hexadecimal]]. A newer one stays.
INSERT INTO annals_snapshots AS s (tenant, category, stream_id, state_schema, version, position, state)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, (value ->> 4)::bigint, (value ->> 5)::bigint,
    coalesce(convert_to(value ->> 6, 'UTF8'), decode(value ->> 7, 'hex'))
FROM jsonb_array_elements($1::text::jsonb)
ON CONFLICT (tenant, category, stream_id, state_schema) DO UPDATE
SET version = excluded.version, position = excluded.position, state = excluded.state
WHERE excluded.version >= s.version
