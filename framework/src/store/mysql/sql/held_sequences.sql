SELECT DISTINCT l.component, l.sequence
FROM JSON_TABLE(?3, '$[*]' COLUMNS (sequence VARCHAR(2048) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$')) q
STRAIGHT_JOIN annals_dead_letters l
    ON l.tenant = ?1 AND l.processor = ?2 AND l.sequence = q.sequence AND l.state < 2
