-- $1 [[append, tenant, after, [tag], [name] or null]], a row for each criterion. The appends whose condition is broken.
-- Hidden events break it as well.
SELECT DISTINCT (q.value ->> 0)::bigint
FROM jsonb_array_elements($1::text::jsonb) q (value)
WHERE CASE WHEN jsonb_array_length(q.value -> 3) = 0 THEN EXISTS (
    SELECT FROM annals_events e
    WHERE e.position > (q.value ->> 2)::bigint AND e.tenant = q.value ->> 1
        AND (q.value -> 4 = 'null' OR e.name = ANY (ARRAY(SELECT jsonb_array_elements_text(q.value -> 4))))
) ELSE EXISTS (
    SELECT FROM annals_tags t
    WHERE t.tenant = q.value ->> 1 AND t.tag = q.value -> 3 ->> 0 AND t.position > (q.value ->> 2)::bigint
        AND NOT EXISTS (
            SELECT FROM jsonb_array_elements_text((q.value -> 3) - 0) o (tag)
            WHERE NOT EXISTS (
                SELECT FROM annals_tags other
                WHERE other.tenant = t.tenant AND other.tag = o.tag AND other.position = t.position
            )
        )
        AND (q.value -> 4 = 'null' OR EXISTS (
            SELECT FROM annals_events e
            WHERE e.position = t.position
                AND e.name = ANY (ARRAY(SELECT jsonb_array_elements_text(q.value -> 4)))
        ))
) END
