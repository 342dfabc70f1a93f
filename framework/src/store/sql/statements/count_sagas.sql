SELECT status, step, count(*) AS instances, count(attention) AS attention, min(began) AS oldest
FROM annals_sagas
WHERE tenant = ?1 AND saga = ?2
GROUP BY status, step ORDER BY status, step
