-- ?3 [[position, sequence, state, attempts, number, consumer, due, replayed, reason]].
INSERT INTO annals_deliveries
    (tenant, subscription, position, sequence, state, attempts, number, consumer, due, replayed, reason)
SELECT
    ?1, ?2, q.position, q.sequence, q.state, q.attempts, q.number, q.consumer, q.due, q.replayed, q.reason
FROM JSON_TABLE(?3, '$[*]' COLUMNS (
    position BIGINT PATH '$[0]',
    sequence VARCHAR(2048) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[1]',
    state TINYINT PATH '$[2]',
    attempts BIGINT PATH '$[3]',
    number BIGINT PATH '$[4]',
    consumer VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[5]',
    due BIGINT PATH '$[6]',
    replayed TINYINT PATH '$[7]',
    reason VARCHAR(8192) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[8]'
)) q
ON DUPLICATE KEY UPDATE
    sequence = VALUES(sequence), state = VALUES(state), attempts = VALUES(attempts), number = VALUES(number),
    consumer = VALUES(consumer), due = VALUES(due), replayed = VALUES(replayed), reason = VALUES(reason)
