-- $1 [[tenant, category, stream id]].
UPDATE annals_streams
SET status = 0, truncate_before = newest + 1
WHERE status = 2 AND (tenant, category, stream_id) IN (
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_array_elements($1::text::jsonb)
)
