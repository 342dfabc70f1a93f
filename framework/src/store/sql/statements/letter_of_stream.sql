SELECT tenant, processor, position, place, component, sequence, event, stream, attempts, state, retry_at, error, since
FROM annals_dead_letters
WHERE tenant = ?1 AND processor = ?2 AND stream = ?3 AND position <= ?4 AND state < 2
ORDER BY position, place LIMIT 1
