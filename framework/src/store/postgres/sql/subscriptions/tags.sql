SELECT position, tags FROM annals_events
WHERE tenant = $1
    AND position = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text($2::text::jsonb) q (value)))
