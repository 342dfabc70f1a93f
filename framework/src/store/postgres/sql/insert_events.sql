-- $1 [[position, tenant, category, stream id, version, event id, name, revision, payload as text, payload in
-- hexadecimal, metadata, tags, recorded at, slice, visibility]].
INSERT INTO annals_events (
    position, tenant, category, stream_id, version, event_id, name, revision, payload, metadata, tags, recorded_at,
    slice, visibility
)
SELECT
    (value ->> 0)::bigint, value ->> 1, value ->> 2, value ->> 3, (value ->> 4)::bigint, (value ->> 5)::uuid,
    value ->> 6, (value ->> 7)::bigint, coalesce(convert_to(value ->> 8, 'UTF8'), decode(value ->> 9, 'hex')),
    value ->> 10, value ->> 11, (value ->> 12)::bigint, (value ->> 13)::smallint, (value ->> 14)::smallint
FROM jsonb_array_elements($1::text::jsonb)
