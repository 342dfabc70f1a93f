-- ?3 [[command id, id, slice, number, group, kind, name, text, hexadecimal, metadata, step, scope, label, attempts, not before, parked]].
INSERT INTO annals_effects (tenant, saga, command_id, saga_id, slice, number, together, kind, name, payload, metadata, step, scope, label, attempts, not_before, parked)
SELECT ?1, ?2, unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
    coalesce(value ->> 7, unhex(value ->> 8)), value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14,
    value ->> 15
FROM json_each(?3) ORDER BY key
