-- ?1 tenant, ?2 processor, ?3 [[segment, fence]].
SELECT s.segment
FROM json_each(?3) q
CROSS JOIN annals_segments s
    ON s.tenant = ?1 AND s.processor = ?2 AND s.segment = q.value ->> 0 AND s.fence = q.value ->> 1
