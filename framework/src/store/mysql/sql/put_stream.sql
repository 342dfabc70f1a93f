INSERT INTO annals_streams (tenant, category, stream_id, status, newest, truncate_before, max_age, max_count)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON DUPLICATE KEY UPDATE
    status = VALUES(status), newest = VALUES(newest), truncate_before = VALUES(truncate_before),
    max_age = VALUES(max_age), max_count = VALUES(max_count)
