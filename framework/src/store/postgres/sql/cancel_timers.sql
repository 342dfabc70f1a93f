DELETE FROM annals_timers
WHERE tenant = $1 AND saga = $2 AND saga_id = $3
    AND name = ANY (ARRAY(SELECT jsonb_array_elements_text($4::text::jsonb)))
