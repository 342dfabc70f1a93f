INSERT OR REPLACE INTO annals_dead_letters (
    tenant, processor, position, place, component, sequence, event, stream, attempts, state, retry_at, error, since
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
