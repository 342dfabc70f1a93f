DELETE FROM annals_events
WHERE position IN (SELECT value::bigint FROM jsonb_array_elements_text($1::text::jsonb) q (value))
