-- A newer one stays.
INSERT INTO annals_snapshots AS s (tenant, category, stream_id, state_schema, version, position, state)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant, category, stream_id, state_schema) DO UPDATE
SET version = excluded.version, position = excluded.position, state = excluded.state
WHERE excluded.version >= s.version
