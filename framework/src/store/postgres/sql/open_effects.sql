SELECT tenant, command_id, saga, saga_id, slice, number, together, kind, name, payload, metadata, step, scope, label, attempts, not_before, parked
FROM annals_effects
WHERE left(tenant, 512) = $1 AND saga = $2
ORDER BY place LIMIT $3
