SELECT due FROM annals_timers
WHERE left(tenant, 512) = $1 AND saga = $2 AND (slice & $3) = $4
ORDER BY due LIMIT 1
