-- $3 [[scope, label]]. The index holds the beginnings of scopes.
DELETE FROM annals_effects
WHERE tenant = $1 AND saga = $2
    AND left(scope, 200) = ANY (ARRAY(SELECT left(q.value ->> 0, 200) FROM jsonb_array_elements($3::text::jsonb) q (value)))
    AND (scope, label) IN (SELECT q.value ->> 0, q.value ->> 1 FROM jsonb_array_elements($3::text::jsonb) q (value))
