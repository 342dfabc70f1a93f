-- $1 [[tenant, view, version, key, revision, body as text, body in hexadecimal, revision before]]. Transactions of
-- handlers write documents too, and do not wait for the append lock: those that have read documents of the view are
-- waited for, and a document that has moved since it was looked up refuses the whole.
WITH locked AS MATERIALIZED (
    SELECT annals_lock_views($1::text::jsonb)
), given AS MATERIALIZED (
    SELECT
        value ->> 0 AS tenant, value ->> 1 AS view, (value ->> 2)::bigint AS view_version, value ->> 3 AS document_key,
        (value ->> 4)::bigint AS revision,
        coalesce(convert_to(value ->> 5, 'UTF8'), decode(value ->> 6, 'hex')) AS body,
        (value ->> 7)::bigint AS before
    FROM (SELECT count(*) FROM locked) l, jsonb_array_elements($1::text::jsonb)
), written AS (
    INSERT INTO annals_documents AS d (tenant, view, view_version, document_key, revision, body)
    SELECT tenant, view, view_version, document_key, revision, body FROM given
    ON CONFLICT (tenant, view, view_version, document_key) DO UPDATE
    SET revision = excluded.revision, body = excluded.body
    WHERE d.revision = (
        SELECT g.before FROM given g
        WHERE g.tenant = d.tenant AND g.view = d.view AND g.view_version = d.view_version
            AND g.document_key = d.document_key
    )
    RETURNING 1
)
SELECT annals_documents_stay((SELECT count(*) FROM given) - (SELECT count(*) FROM written))
