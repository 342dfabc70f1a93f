DELETE FROM annals_saga_history WHERE tenant = $1 AND saga = $2
    AND saga_id = ANY (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text($3::text::jsonb) q (value)))
