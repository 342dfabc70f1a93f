INSERT INTO annals_tokens (processor, position, fence) VALUES (?1, 0, 1)
ON CONFLICT DO UPDATE SET fence = fence + 1
