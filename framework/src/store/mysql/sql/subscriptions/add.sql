INSERT INTO annals_subscriptions (tenant, name, generation, revision, settings, position, number, replaying, consumers)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
FROM (SELECT 1 AS one) q
WHERE NOT EXISTS (SELECT 1 FROM annals_subscriptions WHERE tenant = ?1 AND name = ?2)
