-- ?1 tenant, ?2 processor, ?3 [[segment, fence, position, details or null]].
UPDATE annals_segments
SET position = value ->> 2, details = coalesce(value ->> 3, details)
FROM json_each(?3)
WHERE tenant = ?1 AND processor = ?2 AND segment = value ->> 0 AND fence = value ->> 1
