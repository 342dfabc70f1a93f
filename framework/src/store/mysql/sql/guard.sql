-- ?1 tenant, ?2 processor, ?3 [[segment, fence]].
-- As it is now: a snapshot of the transaction may be older. Locked as the token will be: whoever has a lock that others share
-- cannot get it for itself while somebody waits.
SELECT s.segment
FROM JSON_TABLE(?3, '$[*]' COLUMNS (segment BIGINT PATH '$[0]', fence BIGINT PATH '$[1]')) q
STRAIGHT_JOIN annals_segments s
    ON s.tenant = ?1 AND s.processor = ?2 AND s.segment = q.segment AND s.fence = q.fence
FOR UPDATE
