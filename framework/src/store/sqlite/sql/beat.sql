INSERT INTO annals_nodes (tenant, node, name, processors, expires_at)
VALUES (?1, ?2, ?3, ?4, CAST(unixepoch('subsec') * 1000000 AS INTEGER) + ?5)
ON CONFLICT DO UPDATE SET name = excluded.name, processors = excluded.processors, expires_at = excluded.expires_at
