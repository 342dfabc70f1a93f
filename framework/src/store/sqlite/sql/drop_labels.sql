-- ?3 [[scope, label]].
DELETE FROM annals_effects
WHERE tenant = ?1 AND saga = ?2 AND scope IS NOT NULL
    AND (scope, label) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?3))
