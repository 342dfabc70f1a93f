-- $3 [id]. Each instance is looked up by itself: a planner that knows nothing of the table compares all with all.
SELECT a.*
FROM jsonb_array_elements_text($3::text::jsonb) q (value)
CROSS JOIN LATERAL (
    SELECT saga_id, association_key, association_value
    FROM annals_associations
    WHERE saga_id = q.value::uuid AND saga = $2 AND tenant = $1
    OFFSET 0
) a
ORDER BY association_key, association_value
