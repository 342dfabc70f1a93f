-- $1 tenant, $2 processor, $3 [[segment, fence]].
-- Whoever changes segments waits for it; renewals and claims, which leave the key as it is, do not.
SELECT s.segment
FROM annals_segments s
JOIN jsonb_array_elements($3::text::jsonb) q (value)
    ON s.segment = (q.value ->> 0)::bigint AND s.fence = (q.value ->> 1)::bigint
WHERE s.tenant = $1 AND s.processor = $2
FOR KEY SHARE OF s
