INSERT OR IGNORE INTO annals_tags (tenant, tag, position)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1)
