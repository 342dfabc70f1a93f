UPDATE annals_tags
SET visibility = (SELECT e.visibility FROM annals_events e WHERE e.position = annals_tags.position)
WHERE (tenant, tag, position) IN (
    SELECT e.tenant, t.value, e.position
    FROM annals_events e CROSS JOIN json_each(e.tags) t
    WHERE e.tenant = ?1 AND e.category = ?2 AND e.stream_id = ?3
)
