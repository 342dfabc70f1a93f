-- A parameter that is null asks for nothing. ?4 is 1 for those that need attention, 0 for the others; ?8 and ?9 name the one
-- before.
SELECT saga_id, revision, version, state, progress, status, slice, position, start_key, effects, step, attention, began, changed
FROM annals_sagas
WHERE tenant = ?1 AND saga = ?2 AND (?3 IS NULL OR status = ?3)
    AND (?4 IS NULL OR (?4 = 1 AND attention IS NOT NULL) OR (?4 = 0 AND attention IS NULL))
    AND (?5 IS NULL OR step = ?5) AND (?6 IS NULL OR began < ?6) AND (?7 IS NULL OR changed < ?7)
    AND (?8 IS NULL OR began > ?8 OR (began = ?8 AND saga_id > ?9))
ORDER BY began, saga_id LIMIT ?10
