INSERT INTO annals_dead_letters (
    tenant, processor, position, place, component, sequence, event, stream, attempts, state, retry_at, error, since
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
ON DUPLICATE KEY UPDATE
    component = VALUES(component), sequence = VALUES(sequence), event = VALUES(event), stream = VALUES(stream),
    attempts = VALUES(attempts), state = VALUES(state), retry_at = VALUES(retry_at), error = VALUES(error),
    since = VALUES(since)
