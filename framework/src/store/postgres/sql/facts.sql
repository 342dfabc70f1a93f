-- $1 [[tenant, category, stream id]], $2 [event id], $3 [[tenant, command id]], $4 [[tenant, view, version, key]].
-- One row; each answer names its question by number.
SELECT
    coalesce((SELECT max(position) FROM annals_events), 0),
    (SELECT coalesce(json_agg(json_build_array(number, newest, status)), '[]')::text FROM (
        SELECT q.number - 1 AS number, greatest(coalesce(s.newest, 0), coalesce((
            SELECT e.version FROM annals_events e
            WHERE e.tenant = q.value ->> 0 AND e.category = q.value ->> 1 AND e.stream_id = q.value ->> 2
            ORDER BY e.version DESC LIMIT 1
        ), 0)) AS newest, coalesce(s.status, 0) AS status
        FROM jsonb_array_elements($1::text::jsonb) WITH ORDINALITY q (value, number)
        LEFT JOIN LATERAL (
            SELECT s.newest, s.status FROM annals_streams s
            WHERE s.tenant = q.value ->> 0 AND s.category = q.value ->> 1 AND s.stream_id = q.value ->> 2
            OFFSET 0
        ) s ON true
    ) f WHERE newest > 0),
    (SELECT coalesce(json_agg(
            json_build_array(q.number - 1, e.tenant, e.category, e.stream_id, e.version, e.position)
        ), '[]')::text
        FROM jsonb_array_elements_text($2::text::jsonb) WITH ORDINALITY q (value, number)
        CROSS JOIN LATERAL (SELECT * FROM annals_events e WHERE e.event_id = q.value::uuid OFFSET 0) e),
    (SELECT coalesce(json_agg(q.number - 1), '[]')::text
        FROM jsonb_array_elements($3::text::jsonb) WITH ORDINALITY q (value, number)
        CROSS JOIN LATERAL (
            SELECT FROM annals_commands c
            WHERE c.tenant = q.value ->> 0 AND c.command_id = (q.value ->> 1)::uuid
            OFFSET 0
        ) c),
    (SELECT coalesce(json_agg(json_build_array(q.number - 1, d.revision, (d.body IS NULL)::int)), '[]')::text
        FROM jsonb_array_elements($4::text::jsonb) WITH ORDINALITY q (value, number)
        CROSS JOIN LATERAL (
            SELECT d.revision, d.body FROM annals_documents d
            WHERE d.tenant = q.value ->> 0 AND d.view = q.value ->> 1
                AND d.view_version = (q.value ->> 2)::bigint AND d.document_key = q.value ->> 3
            OFFSET 0
        ) d)
