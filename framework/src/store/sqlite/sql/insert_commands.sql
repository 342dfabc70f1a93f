INSERT INTO annals_commands (tenant, command_id, name, outcome, answer, recorded_at, position, version, target)
SELECT
    value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, coalesce(value ->> 4, unhex(value ->> 5)),
    value ->> 6, value ->> 7, value ->> 8, value ->> 9
FROM json_each(?1)
