INSERT INTO annals_sagas (tenant, saga, saga_id, revision, state, progress, ended, effects)
SELECT ?1, ?2, ?3, ?4 + 1, ?5, ?6, ?7, ?8
FROM (SELECT 1 AS one) q
WHERE NOT EXISTS (SELECT 1 FROM annals_sagas WHERE tenant = ?1 AND saga = ?2 AND saga_id = ?3)
