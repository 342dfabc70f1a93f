-- ?1 [[position, tenant, category, stream id, version, event id, name, revision, payload as text, payload in
-- hexadecimal, metadata, tags, recorded at, slice, visibility]].
INSERT INTO annals_events (
    position, tenant, category, stream_id, version, event_id, name, revision, payload, metadata, tags, recorded_at,
    slice, visibility
)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, unhex(value ->> 5), value ->> 6, value ->> 7,
    coalesce(value ->> 8, unhex(value ->> 9)), value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14
FROM json_each(?1)
