SELECT tenant, command_id, saga, saga_id, slice, number, together, kind, name, payload, metadata, step, scope, label, attempts, not_before, parked
FROM annals_effects
WHERE tenant = ?1 AND saga = ?2 AND saga_id = ?3
ORDER BY number LIMIT ?4
