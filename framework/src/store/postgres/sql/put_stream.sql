INSERT INTO annals_streams (tenant, category, stream_id, status, newest, truncate_before, max_age, max_count)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant, category, stream_id) DO UPDATE
SET status = excluded.status, newest = excluded.newest, truncate_before = excluded.truncate_before,
    max_age = excluded.max_age, max_count = excluded.max_count
