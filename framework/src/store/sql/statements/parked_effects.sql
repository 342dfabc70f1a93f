SELECT tenant, command_id, saga, saga_id, slice, number, together, kind, name, payload, metadata, step, scope, label, attempts, not_before, parked
FROM annals_effects
WHERE tenant = ?1 AND saga = ?2 AND parked IS NOT NULL AND not_before >= ?3 AND (not_before > ?3 OR command_id > ?4)
ORDER BY not_before, command_id LIMIT ?5
