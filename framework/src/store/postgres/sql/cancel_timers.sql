-- $3 [[id, name]]. Each row is looked up by itself: joined with the list, a planner that knows nothing of the table compares all
-- with all.
DELETE FROM annals_timers d
USING jsonb_array_elements($3::text::jsonb) q (value)
CROSS JOIN LATERAL (
    SELECT t.ctid AS place FROM annals_timers t
    WHERE t.tenant = $1 AND t.saga = $2 AND t.saga_id = (q.value ->> 0)::uuid AND t.name = q.value ->> 1
    OFFSET 0
) found
WHERE d.ctid = found.place
