-- A newer one stays. Columns are set in the order in which they stand here: the version last.
INSERT INTO annals_snapshots (tenant, category, stream_id, state_schema, version, position, state)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON DUPLICATE KEY UPDATE
    position = IF(VALUES(version) >= version, VALUES(position), position),
    state = IF(VALUES(version) >= version, VALUES(state), state),
    version = GREATEST(VALUES(version), version)
