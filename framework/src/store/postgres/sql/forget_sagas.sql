DELETE FROM annals_sagas WHERE tenant = $1 AND saga = $2 AND status > 0
    AND saga_id = ANY (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text($3::text::jsonb) q (value)))
