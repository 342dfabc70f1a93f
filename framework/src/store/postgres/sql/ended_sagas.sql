SELECT saga_id
FROM annals_sagas s
WHERE left(tenant, 512) = $1 AND saga = $2 AND status IN (1, 2, 3) AND began < $3 AND changed < $3 AND (
    SELECT e.number FROM annals_effects e
    WHERE e.tenant = s.tenant AND e.saga = s.saga AND e.saga_id = s.saga_id
    ORDER BY e.number LIMIT 1
) IS NULL
LIMIT $4
