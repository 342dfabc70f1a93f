INSERT INTO annals_sagas (tenant, saga, saga_id, revision, state, progress, ended, effects)
VALUES ($1, $2, $3, $4 + 1, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
