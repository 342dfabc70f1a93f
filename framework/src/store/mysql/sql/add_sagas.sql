-- ?3 [[id, revision, version, text, hexadecimal, progress, status, slice, position, key, effects, step, attention, began, changed]].
INSERT INTO annals_sagas (tenant, saga, saga_id, revision, version, state, progress, status, slice, position, start_key, effects, step, attention, began, changed)
SELECT ?1, ?2, UNHEX(q.id), 1, q.version, COALESCE(CAST(q.body AS BINARY), UNHEX(q.digits)), q.progress, q.status, q.slice, q.position,
    q.start_key, q.effects, q.step, q.attention, q.began, q.changed
FROM JSON_TABLE(?3, '$[*]' COLUMNS (
    id CHAR(32) PATH '$[0]',
    revision BIGINT PATH '$[1]',
    version BIGINT PATH '$[2]',
    body LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[3]',
    digits LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[4]',
    progress LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[5]',
    status BIGINT PATH '$[6]',
    slice BIGINT PATH '$[7]',
    position BIGINT PATH '$[8]',
    start_key LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[9]',
    effects BIGINT PATH '$[10]',
    step LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[11]',
    attention LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[12]',
    began BIGINT PATH '$[13]',
    changed BIGINT PATH '$[14]'
)) q
WHERE NOT EXISTS (SELECT 1 FROM annals_sagas s WHERE s.tenant = ?1 AND s.saga = ?2 AND s.saga_id = UNHEX(q.id))
    AND NOT EXISTS (SELECT 1 FROM annals_sagas s WHERE s.tenant = ?1 AND s.saga = ?2 AND s.start_key = q.start_key)
