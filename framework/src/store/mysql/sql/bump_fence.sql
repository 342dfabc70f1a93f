INSERT INTO annals_tokens (tenant, processor, position, fence) VALUES (?1, ?2, 0, 1)
ON DUPLICATE KEY UPDATE fence = fence + 1
