-- $3 [id]. Each instance is looked up by itself: a planner that knows nothing of the table compares all with all.
SELECT t.*
FROM jsonb_array_elements_text($3::text::jsonb) q (value)
CROSS JOIN LATERAL (
    SELECT tenant, saga, saga_id, slice, name, due
    FROM annals_timers
    WHERE saga_id = q.value::uuid AND saga = $2 AND tenant = $1
    OFFSET 0
) t
ORDER BY due, saga_id, name
