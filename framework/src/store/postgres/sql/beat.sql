INSERT INTO annals_nodes (tenant, node, name, processors, expires_at)
VALUES ($1, $2, $3, $4, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + $5)
ON CONFLICT (tenant, node) DO UPDATE
SET name = excluded.name, processors = excluded.processors, expires_at = excluded.expires_at
