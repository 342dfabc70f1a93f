SELECT command_id FROM annals_effects
WHERE tenant = $1
    AND command_id = ANY (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text($2::text::jsonb) q (value)))
