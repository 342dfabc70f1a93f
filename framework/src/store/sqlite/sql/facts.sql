-- ?1 [[tenant, category, stream id]], ?2 [event id], ?3 [[tenant, command id]], ?4 [[tenant, view, version, key]].
-- One row; each answer names its question by number.
SELECT
    coalesce((SELECT max(position) FROM annals_events), 0),
    (SELECT json_group_array(json_array(number, newest, status)) FROM (
        SELECT q.key AS number, max(coalesce(s.newest, 0), coalesce((
            SELECT max(version) FROM annals_events
            WHERE tenant = q.value ->> 0 AND category = q.value ->> 1 AND stream_id = q.value ->> 2
        ), 0)) AS newest, coalesce(s.status, 0) AS status
        FROM json_each(?1) q
        LEFT JOIN annals_streams s
            ON s.tenant = q.value ->> 0 AND s.category = q.value ->> 1 AND s.stream_id = q.value ->> 2
    ) WHERE newest > 0),
    (SELECT json_group_array(json_array(q.key, e.tenant, e.category, e.stream_id, e.version, e.position))
        FROM json_each(?2) q CROSS JOIN annals_events e ON e.event_id = unhex(q.value)),
    (SELECT json_group_array(q.key)
        FROM json_each(?3) q
        CROSS JOIN annals_commands c ON c.tenant = q.value ->> 0 AND c.command_id = unhex(q.value ->> 1)),
    (SELECT json_group_array(json_array(q.key, d.revision, d.body IS NULL))
        FROM json_each(?4) q
        CROSS JOIN annals_documents d
            ON d.tenant = q.value ->> 0 AND d.view = q.value ->> 1
            AND d.view_version = q.value ->> 2 AND d.document_key = q.value ->> 3)
