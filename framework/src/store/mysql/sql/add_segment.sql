INSERT INTO annals_segments (tenant, processor, segment, mask, position, fence, owner, state, details)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
FROM (SELECT 1 AS one) q
WHERE NOT EXISTS (SELECT 1 FROM annals_segments WHERE tenant = ?1 AND processor = ?2 AND segment = ?3)
