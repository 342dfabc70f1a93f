SELECT tenant, command_id, saga, saga_id, number, name, payload, metadata, step, attempts, not_before, parked
FROM annals_effects
WHERE tenant = ?1 AND saga = ?2
ORDER BY place LIMIT ?3
