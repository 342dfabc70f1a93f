SELECT saga_id, revision, version, state, progress, status, slice, position, start_key, effects, step, attention, began, changed
FROM annals_sagas
WHERE tenant = $1 AND saga = $2
    AND saga_id = ANY (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text($3::text::jsonb) q (value)))
