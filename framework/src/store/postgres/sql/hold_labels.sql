-- $3 [[scope, label]]. No row could be locked that is not there: whoever schedules under the same name waits here until the
-- transaction ends, and then sees what it has written. Always in the same order.
SELECT pg_advisory_xact_lock(hashtextextended(q.held, 0))
FROM (
    SELECT DISTINCT format('annals label %s %s %s %s %s %s', length($1), $1, length($2), $2, length(value ->> 0), value::text) AS held
    FROM jsonb_array_elements($3::text::jsonb) labels (value)
    ORDER BY held
) q
