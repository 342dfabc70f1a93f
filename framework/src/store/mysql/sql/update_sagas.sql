-- ?3 [[id, revision, version, text, hexadecimal, progress, status, slice, position, key, effects, step, attention, began, changed]].
UPDATE JSON_TABLE(?3, '$[*]' COLUMNS (
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
STRAIGHT_JOIN annals_sagas s ON s.tenant = ?1 AND s.saga = ?2 AND s.saga_id = UNHEX(q.id) AND s.revision = q.revision
SET s.revision = s.revision + 1, s.version = q.version, s.state = COALESCE(CAST(q.body AS BINARY), UNHEX(q.digits)),
    s.progress = q.progress, s.status = q.status, s.position = q.position, s.start_key = q.start_key, s.effects = q.effects,
    s.step = q.step, s.attention = q.attention, s.changed = q.changed
