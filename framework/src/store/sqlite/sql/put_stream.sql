INSERT OR REPLACE INTO annals_streams (
    tenant, category, stream_id, status, newest, truncate_before, max_age, max_count
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
