-- $1 [[tenant, id, name, outcome, answer as text, answer in hexadecimal, recorded at, position, version, target]].
INSERT INTO annals_commands (tenant, command_id, name, outcome, answer, recorded_at, position, version, target)
SELECT
    value ->> 0, (value ->> 1)::uuid, value ->> 2, value ->> 3,
    coalesce(convert_to(value ->> 4, 'UTF8'), decode(value ->> 5, 'hex')), (value ->> 6)::bigint,
    (value ->> 7)::bigint, (value ->> 8)::bigint, value ->> 9
FROM jsonb_array_elements($1::text::jsonb)
