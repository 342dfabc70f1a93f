INSERT OR IGNORE INTO annals_segments (tenant, processor, segment, mask, position, fence, owner, state, details)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
