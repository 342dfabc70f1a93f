-- $2 [command id]. Each row is looked up by itself: a planner that knows nothing of the table compares all with all.
DELETE FROM annals_effects d
USING jsonb_array_elements_text($2::text::jsonb) q (value)
CROSS JOIN LATERAL (
    SELECT ctid AS place FROM annals_effects
    WHERE command_id = q.value::uuid AND tenant = $1
    OFFSET 0
) found
WHERE d.ctid = found.place
