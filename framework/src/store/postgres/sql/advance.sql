-- $1 tenant, $2 processor, $3 [[segment, fence, position, details or null]].
UPDATE annals_segments s
SET position = (q.value ->> 2)::bigint, details = coalesce(q.value ->> 3, s.details)
FROM jsonb_array_elements($3::text::jsonb) q (value)
WHERE s.tenant = $1 AND s.processor = $2 AND s.segment = (q.value ->> 0)::bigint AND s.fence = (q.value ->> 1)::bigint
