-- $1 [[tenant, tag, position]].
DELETE FROM annals_tags
WHERE (tenant, tag, position) IN (
    SELECT value ->> 0, value ->> 1, (value ->> 2)::bigint FROM jsonb_array_elements($1::text::jsonb)
)
