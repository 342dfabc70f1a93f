-- $2 [command id]. Each row is looked up by itself: a planner that knows nothing of the table compares all with all.
SELECT e.command_id
FROM jsonb_array_elements_text($2::text::jsonb) q (value)
CROSS JOIN LATERAL (
    SELECT command_id FROM annals_effects
    WHERE command_id = q.value::uuid AND tenant = $1
    OFFSET 0
) e
