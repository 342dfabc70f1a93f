SELECT tenant, saga, saga_id, slice, name, due FROM annals_timers
WHERE left(tenant, 512) = $1 AND saga = $2 AND (slice & $3) = $4 AND due <= $5
ORDER BY due, saga_id, name LIMIT $6
