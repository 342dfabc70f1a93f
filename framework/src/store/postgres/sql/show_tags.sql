UPDATE annals_tags t
SET visibility = e.visibility
FROM annals_events e
WHERE e.tenant = $1 AND e.category = $2 AND e.stream_id = $3 AND t.tenant = e.tenant
    AND t.tag IN (SELECT jsonb_array_elements_text(e.tags::jsonb)) AND t.position = e.position
