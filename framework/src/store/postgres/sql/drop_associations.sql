-- $3 [[id, key, value]]. Each row is looked up by itself: joined with the list, a planner that knows nothing of the table compares
-- all with all.
DELETE FROM annals_associations d
USING jsonb_array_elements($3::text::jsonb) q (value)
CROSS JOIN LATERAL (
    SELECT t.ctid AS place FROM annals_associations t
    WHERE t.saga_id = (q.value ->> 0)::uuid AND t.association_key = q.value ->> 1 AND t.saga = $2 AND t.tenant = $1
        AND t.association_value = q.value ->> 2
    OFFSET 0
) found
WHERE d.ctid = found.place
