INSERT INTO annals_dead_letters (tenant, processor, position, sequence, attempts, retry_at, error, since)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON DUPLICATE KEY UPDATE
    sequence = VALUES(sequence), attempts = VALUES(attempts), retry_at = VALUES(retry_at), error = VALUES(error),
    since = VALUES(since)
