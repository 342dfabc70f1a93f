-- ?1 tenant, ?2 processor, ?3 [[segment, fence, position, details or null]].
UPDATE JSON_TABLE(?3, '$[*]' COLUMNS (
    segment BIGINT PATH '$[0]',
    fence BIGINT PATH '$[1]',
    position BIGINT PATH '$[2]',
    details LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[3]'
)) q
STRAIGHT_JOIN annals_segments s
    ON s.tenant = ?1 AND s.processor = ?2 AND s.segment = q.segment AND s.fence = q.fence
SET s.position = q.position, s.details = COALESCE(q.details, s.details)
