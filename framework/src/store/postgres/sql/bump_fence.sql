INSERT INTO annals_tokens AS t (tenant, processor, position, fence) VALUES ($1, $2, 0, 1)
ON CONFLICT (tenant, processor) DO UPDATE SET fence = t.fence + 1
