INSERT INTO annals_dead_letters (
    tenant, processor, position, place, component, sequence, event, stream, attempts, state, retry_at, error, since
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (tenant, processor, position, place) DO UPDATE
SET component = excluded.component, sequence = excluded.sequence, event = excluded.event, stream = excluded.stream,
    attempts = excluded.attempts, state = excluded.state, retry_at = excluded.retry_at, error = excluded.error,
    since = excluded.since
