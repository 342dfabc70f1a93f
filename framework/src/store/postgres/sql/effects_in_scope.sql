-- The index holds the beginnings of scopes.
SELECT tenant, command_id, saga, saga_id, slice, number, together, kind, name, payload, metadata, step, scope, label, attempts, not_before, parked
FROM annals_effects
WHERE tenant = $1 AND saga = $2 AND left(scope, 200) = left($6, 200) AND scope = $6
    AND not_before >= $3 AND (not_before > $3 OR command_id > $4)
ORDER BY not_before, command_id LIMIT $5
