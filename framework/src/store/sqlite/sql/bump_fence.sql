INSERT INTO annals_tokens (tenant, processor, position, fence) VALUES (?1, ?2, 0, 1)
ON CONFLICT DO UPDATE SET fence = fence + 1
