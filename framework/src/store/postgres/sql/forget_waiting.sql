-- $3 [id]. Each instance is looked up by itself: a planner that knows nothing of the table compares all with all.
DELETE FROM annals_saga_waiting d
USING jsonb_array_elements_text($3::text::jsonb) q (value)
CROSS JOIN LATERAL (
    SELECT ctid AS place FROM annals_saga_waiting
    WHERE saga_id = q.value::uuid AND saga = $2 AND tenant = $1
    OFFSET 0
) found
WHERE d.ctid = found.place
