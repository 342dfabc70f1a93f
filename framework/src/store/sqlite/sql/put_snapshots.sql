-- ?1 [[tenant, category, stream id, schema, version, position, state as text, state in hexadecimal]]. A newer one stays.
INSERT INTO annals_snapshots (tenant, category, stream_id, state_schema, version, position, state)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
    coalesce(value ->> 6, unhex(value ->> 7))
FROM json_each(?1) WHERE true
ON CONFLICT DO UPDATE SET version = excluded.version, position = excluded.position, state = excluded.state
WHERE excluded.version >= version
