-- ?3 [[command id, id, slice, number, group, kind, name, text, hexadecimal, metadata, step, scope, label, attempts, not before, parked]].
INSERT INTO annals_effects (tenant, saga, command_id, saga_id, slice, number, together, kind, name, payload, metadata, step, scope, label, attempts, not_before, parked)
SELECT ?1, ?2, UNHEX(q.command_id), UNHEX(q.id), q.slice, q.number, q.together, q.kind, q.name,
    COALESCE(CAST(q.body AS BINARY), UNHEX(q.digits)), q.metadata, q.step, q.scope, q.label, q.attempts, q.not_before, q.parked
FROM JSON_TABLE(?3, '$[*]' COLUMNS (
    command_id CHAR(32) PATH '$[0]',
    id CHAR(32) PATH '$[1]',
    slice BIGINT PATH '$[2]',
    number BIGINT PATH '$[3]',
    together BIGINT PATH '$[4]',
    kind BIGINT PATH '$[5]',
    name VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[6]',
    body LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[7]',
    digits LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[8]',
    metadata LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[9]',
    step LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[10]',
    scope VARCHAR(2048) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[11]',
    label VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[12]',
    attempts BIGINT PATH '$[13]',
    not_before BIGINT PATH '$[14]',
    parked LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[15]'
)) q
