-- $1 [[tenant, tag, position, visibility]].
INSERT INTO annals_tags (tenant, tag, position, visibility)
SELECT value ->> 0, value ->> 1, (value ->> 2)::bigint, (value ->> 3)::smallint
FROM jsonb_array_elements($1::text::jsonb)
ON CONFLICT DO NOTHING
