INSERT OR IGNORE INTO annals_sagas (saga, saga_id, revision, state, progress, ended, effects)
VALUES (?1, ?2, ?3 + 1, ?4, ?5, ?6, ?7)
