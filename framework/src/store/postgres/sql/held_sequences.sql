SELECT DISTINCT l.component, l.sequence
FROM jsonb_array_elements_text($3::text::jsonb) q (value)
CROSS JOIN LATERAL (
    SELECT l.component, l.sequence FROM annals_dead_letters l
    WHERE l.tenant = $1 AND l.processor = $2 AND left(l.sequence, 200) = left(q.value, 200) AND l.sequence = q.value
        AND l.state < 2
    OFFSET 0
) l
