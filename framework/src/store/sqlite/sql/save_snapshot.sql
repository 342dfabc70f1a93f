INSERT OR REPLACE INTO annals_snapshots (tenant, category, stream_id, state_schema, version, position, state)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
