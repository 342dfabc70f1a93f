SELECT tenant, processor, position, place, component, sequence, event, stream, attempts, state, retry_at, error, since
FROM annals_dead_letters
WHERE tenant = ?1 AND processor = ?2 AND (position > ?3 OR (position = ?3 AND place > ?4))
ORDER BY position, place LIMIT ?5
