INSERT INTO annals_dead_letters (tenant, processor, position, sequence, attempts, retry_at, error, since)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant, processor, position) DO UPDATE
SET sequence = excluded.sequence, attempts = excluded.attempts, retry_at = excluded.retry_at, error = excluded.error,
    since = excluded.since
