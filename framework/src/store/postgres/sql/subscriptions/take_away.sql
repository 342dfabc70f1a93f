DELETE FROM annals_deliveries
WHERE tenant = $1 AND subscription = $2
    AND position = ANY (ARRAY(SELECT value::bigint FROM jsonb_array_elements_text($3::text::jsonb) q (value)))
