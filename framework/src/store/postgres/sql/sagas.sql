-- $3 [id]. Each row is looked up by itself: a planner that knows nothing of the table compares all with all.
SELECT s.*
FROM jsonb_array_elements_text($3::text::jsonb) q (value)
CROSS JOIN LATERAL (
    SELECT saga_id, revision, version, state, progress, status, slice, position, start_key, effects, step, attention, began, changed
    FROM annals_sagas
    WHERE saga_id = q.value::uuid AND saga = $2 AND tenant = $1
    OFFSET 0
) s
