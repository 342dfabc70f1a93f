UPDATE annals_tags t
SET visibility = own.visibility
FROM (
    SELECT e.tenant, e.position, e.visibility, jsonb_array_elements_text(e.tags::jsonb) AS tag
    FROM annals_events e
    WHERE e.tenant = $1 AND e.category = $2 AND e.stream_id = $3
    OFFSET 0
) own
WHERE t.tenant = own.tenant AND t.tag = own.tag AND t.position = own.position
