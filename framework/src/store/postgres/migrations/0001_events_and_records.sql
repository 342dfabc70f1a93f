-- Texts are compared byte by byte (`COLLATE "C"`): a key is itself alone, in every locale.

-- Events. Positions and versions are dense as they are given out; a row never changes.
-- `visibility` is 0 for every reader, 1 for readers of the stream alone, 2 for nobody. `slice` is FNV-1a (64 bits) of
-- tenant, category and stream id, each followed by a zero byte, modulo 1024. `recorded_at` counts microseconds since
-- 1970. `tags` is a JSON array of `key:value`. What has a fixed length comes first: the server then finds it at once.
CREATE TABLE annals_events (
    position    bigint   NOT NULL,
    version     bigint   NOT NULL,
    revision    bigint   NOT NULL,
    recorded_at bigint   NOT NULL,
    event_id    uuid     NOT NULL,
    slice       smallint NOT NULL,
    visibility  smallint NOT NULL,
    tenant      text     NOT NULL COLLATE "C",
    name        text     NOT NULL COLLATE "C",
    category    text     NOT NULL COLLATE "C",
    stream_id   text     NOT NULL COLLATE "C",
    tags        text     NOT NULL COLLATE "C",
    metadata    text     NOT NULL COLLATE "C",
    payload     bytea    NOT NULL,
    PRIMARY KEY (position)
);
CREATE UNIQUE INDEX annals_events_by_stream ON annals_events (tenant, category, stream_id, version);
CREATE UNIQUE INDEX annals_events_by_id ON annals_events (event_id);
-- For reads of a category alone, which ask for visible events: to a planner that does not know how many categories and
-- streams there are, it would look as good as the index by stream.
CREATE INDEX annals_events_by_category ON annals_events (tenant, category, position) WHERE visibility = 0;

-- A transaction that may change and remove events sets `annals.maintenance` to `on` for itself.
CREATE FUNCTION annals_events_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('annals.maintenance', true) IS DISTINCT FROM 'on' THEN
        RAISE EXCEPTION '%', CASE TG_OP
            WHEN 'UPDATE' THEN 'events never change'
            ELSE 'events are never removed'
        END USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER annals_events_never_change BEFORE UPDATE ON annals_events
    FOR EACH STATEMENT EXECUTE FUNCTION annals_events_stay();
CREATE TRIGGER annals_events_are_never_removed BEFORE DELETE ON annals_events
    FOR EACH STATEMENT EXECUTE FUNCTION annals_events_stay();
CREATE TRIGGER annals_events_are_never_emptied BEFORE TRUNCATE ON annals_events
    FOR EACH STATEMENT EXECUTE FUNCTION annals_events_stay();

-- Bytes as text; those that are no text in hexadecimal, after `\x`.
CREATE FUNCTION annals_text(bytes bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN convert_from(bytes, 'UTF8');
EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
    RETURN '\x' || encode(bytes, 'hex');
END
$$;

-- Events for people: payloads as text, instants as instants.
CREATE VIEW annals_readable_events AS
SELECT
    position, tenant, category, stream_id, version, name, revision, to_timestamp(recorded_at / 1e6) AS recorded_at,
    annals_text(payload) AS payload, metadata, tags, event_id, visibility, slice
FROM annals_events;

-- The tags of events, each with the visibility of its event.
CREATE TABLE annals_tags (
    position   bigint   NOT NULL,
    visibility smallint NOT NULL,
    tenant     text     NOT NULL COLLATE "C",
    tag        text     NOT NULL COLLATE "C",
    PRIMARY KEY (tenant, tag, position)
);

-- Streams that are or were not like others; one without a row is open. `status` is 0 for an open stream, 1 for an
-- archived, 2 for a deleted one, 3 for one that was ended for good. `newest` is the newest version when the row was
-- last written: its event may have been removed since. Events before `truncate_before` are hidden. `max_age` is in
-- microseconds.
CREATE TABLE annals_streams (
    tenant          text     NOT NULL COLLATE "C",
    category        text     NOT NULL COLLATE "C",
    stream_id       text     NOT NULL COLLATE "C",
    status          smallint NOT NULL,
    newest          bigint   NOT NULL,
    truncate_before bigint   NOT NULL,
    max_age         bigint,
    max_count       bigint,
    PRIMARY KEY (tenant, category, stream_id)
);

-- Outcomes of commands. `outcome` is `done` or `rejected`.
CREATE TABLE annals_commands (
    tenant      text   NOT NULL COLLATE "C",
    command_id  uuid   NOT NULL,
    name        text   NOT NULL COLLATE "C",
    outcome     text   NOT NULL COLLATE "C",
    answer      bytea  NOT NULL,
    recorded_at bigint NOT NULL,
    position    bigint NOT NULL,
    version     bigint,
    target      text   COLLATE "C",
    PRIMARY KEY (tenant, command_id)
);
CREATE INDEX annals_commands_by_age ON annals_commands (recorded_at);

-- Nodes that run processors. `processors` is a JSON array; `expires_at` counts microseconds since 1970, by the clock of
-- the database.
CREATE TABLE annals_nodes (
    tenant     text   NOT NULL COLLATE "C",
    node       text   NOT NULL COLLATE "C",
    name       text   NOT NULL,
    processors text   NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (tenant, node)
) WITH (fillfactor = 50);

-- Segments of processors: the sequences whose hash has the bits of `segment` at those of `mask`. Everything up to `position`
-- is handled. `fence` grows with each change of owner, share or state. `state` is 0 for a segment that may be claimed, 1 for a
-- paused one, 2 for one whose processor was replaced, 3 for one that may be claimed and is not complete yet. `details` is
-- JSON, or empty.
CREATE TABLE annals_segments (
    tenant    text   NOT NULL COLLATE "C",
    processor text   NOT NULL COLLATE "C",
    segment   bigint NOT NULL,
    mask      bigint NOT NULL,
    position  bigint NOT NULL,
    fence     bigint NOT NULL,
    owner     text   COLLATE "C",
    state     bigint NOT NULL,
    details   text   NOT NULL,
    PRIMARY KEY (tenant, processor, segment)
) WITH (fillfactor = 50);

CREATE TABLE annals_snapshots (
    tenant       text   NOT NULL COLLATE "C",
    category     text   NOT NULL COLLATE "C",
    stream_id    text   NOT NULL COLLATE "C",
    state_schema text   NOT NULL COLLATE "C",
    version      bigint NOT NULL,
    position     bigint NOT NULL,
    state        bytea  NOT NULL,
    PRIMARY KEY (tenant, category, stream_id, state_schema)
);

-- Documents of views. One without a body was removed; its revision goes on if it comes back.
CREATE TABLE annals_documents (
    tenant       text   NOT NULL COLLATE "C",
    view         text   NOT NULL COLLATE "C",
    view_version bigint NOT NULL,
    document_key text   NOT NULL COLLATE "C",
    revision     bigint NOT NULL,
    body         bytea,
    PRIMARY KEY (tenant, view, view_version, document_key)
);

-- The documents of views for whoever reads them in plain SQL: one row for each, with its body as JSON. What the framework
-- keeps for itself in the same table is left out.
CREATE VIEW annals_documents_json AS
SELECT
    tenant, view, view_version, document_key, revision,
    CASE WHEN view_version < 2147483648 AND left(view, 1) <> '$' THEN convert_from(body, 'UTF8')::jsonb END AS document
FROM annals_documents
WHERE body IS NOT NULL AND view_version < 2147483648 AND left(view, 1) <> '$';

-- Under which indexes of its view a document is found, with which values. Bytes of values are in the order of the values.
CREATE TABLE annals_index_entries (
    tenant        text   NOT NULL COLLATE "C",
    view          text   NOT NULL COLLATE "C",
    view_version  bigint NOT NULL,
    index_name    text   NOT NULL COLLATE "C",
    indexed_value text   NOT NULL COLLATE "C",
    document_key  text   NOT NULL COLLATE "C",
    PRIMARY KEY (tenant, view, view_version, index_name, indexed_value, document_key)
);
-- For the entries of a known document alone: a search by values, which names the tenant in its plain form, cannot use it.
CREATE INDEX annals_index_entries_by_document
    ON annals_index_entries (left(tenant, 512), view, view_version, document_key, index_name, indexed_value);

-- Instances of sagas. `status` is 0 for a running one, 1 for one that has come to its end, 2 for one that was undone, 3 for one
-- that was ended by hand. `slice` decides which segment of the saga has it, `position` is the newest event that it has handled,
-- and of running ones only one has a `start_key`. Instants count microseconds since 1970.
CREATE TABLE annals_sagas (
    tenant    text   NOT NULL COLLATE "C",
    saga      text   NOT NULL COLLATE "C",
    saga_id   uuid   NOT NULL,
    revision  bigint NOT NULL,
    version   bigint NOT NULL,
    state     bytea  NOT NULL,
    progress  text,
    status    bigint NOT NULL,
    slice     bigint NOT NULL,
    position  bigint NOT NULL,
    start_key text   COLLATE "C",
    effects   bigint NOT NULL,
    step      text   COLLATE "C",
    attention text,
    began     bigint NOT NULL,
    changed   bigint NOT NULL,
    PRIMARY KEY (saga_id, saga, tenant)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX annals_sagas_by_key ON annals_sagas (tenant, saga, start_key) WHERE start_key IS NOT NULL;
-- Only statements that name the tenant in this form can use it. One that looks for ids has indexes that begin with the id.
CREATE INDEX annals_sagas_by_status ON annals_sagas (left(tenant, 512), saga, status, began);
CREATE INDEX annals_sagas_by_attention ON annals_sagas (tenant, saga, began) WHERE attention IS NOT NULL;

-- What has happened to instances, in order; each entry is JSON.
CREATE TABLE annals_saga_history (
    place   bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    tenant  text   NOT NULL COLLATE "C",
    saga    text   NOT NULL COLLATE "C",
    saga_id uuid   NOT NULL,
    at      bigint NOT NULL,
    entry   text   NOT NULL
);
CREATE INDEX annals_saga_history_by_instance ON annals_saga_history (saga_id, place, saga, tenant);

-- Inputs that wait for an instance which could not handle the first of them; each is JSON.
CREATE TABLE annals_saga_waiting (
    tenant  text   NOT NULL COLLATE "C",
    saga    text   NOT NULL COLLATE "C",
    saga_id uuid   NOT NULL,
    number  bigint NOT NULL,
    input   text   NOT NULL,
    PRIMARY KEY (saga_id, number, saga, tenant)
);

-- A value is found by its beginning: it may be longer than an index takes.
CREATE TABLE annals_associations (
    tenant            text NOT NULL COLLATE "C",
    saga              text NOT NULL COLLATE "C",
    association_key   text NOT NULL COLLATE "C",
    association_value text NOT NULL COLLATE "C",
    saga_id           uuid NOT NULL
);
-- Each index begins with what only the statements name that are to use it: of two that begin alike the planner takes the wrong one
-- as long as it knows nothing of the table.
CREATE INDEX annals_associations_by_value
    ON annals_associations (left(association_value, 200), association_key, saga, tenant);
CREATE INDEX annals_associations_by_instance ON annals_associations (saga_id, association_key, saga, tenant);

-- What sagas have decided should happen, and what was scheduled. `place` is the order of commit; `kind` is 0 for a command, 1 for
-- one whose answer is of no interest, 2 for an event, 3 for a saga to begin, 4 for an end to tell, 5 for code of a workflow; those
-- of an instance with one number in `together`, other than 0, do not wait for each other; `parked` says why one was given up.
CREATE TABLE annals_effects (
    place      bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    tenant     text   NOT NULL COLLATE "C",
    command_id uuid   NOT NULL,
    saga       text   NOT NULL COLLATE "C",
    saga_id    uuid   NOT NULL,
    slice      bigint NOT NULL,
    number     bigint NOT NULL,
    together   bigint NOT NULL,
    kind       bigint NOT NULL,
    name       text   NOT NULL COLLATE "C",
    payload    bytea  NOT NULL,
    metadata   text   NOT NULL COLLATE "C",
    step       text,
    scope      text   COLLATE "C",
    label      text   COLLATE "C",
    attempts   bigint NOT NULL,
    not_before bigint NOT NULL,
    parked     text,
    PRIMARY KEY (place)
);
CREATE UNIQUE INDEX annals_effects_by_command ON annals_effects (command_id, tenant);
CREATE INDEX annals_effects_by_instance ON annals_effects (saga_id, number, saga, tenant);
CREATE INDEX annals_effects_by_saga ON annals_effects (left(tenant, 512), saga, place);
CREATE INDEX annals_effects_by_scope ON annals_effects (tenant, saga, left(scope, 200)) WHERE scope IS NOT NULL;
CREATE INDEX annals_effects_by_due ON annals_effects (left(tenant, 512), saga, not_before, place) WHERE parked IS NULL;

CREATE TABLE annals_timers (
    tenant  text   NOT NULL COLLATE "C",
    saga    text   NOT NULL COLLATE "C",
    saga_id uuid   NOT NULL,
    slice   bigint NOT NULL,
    name    text   NOT NULL COLLATE "C",
    due     bigint NOT NULL,
    PRIMARY KEY (saga_id, name, saga, tenant)
);
CREATE INDEX annals_timers_by_due ON annals_timers (left(tenant, 512), saga, due);

-- Steps of events that a processor could not take. `state` is 0 for one that is tried again at `retry_at`, 1 for a parked
-- one, 2 for one that was passed over.
CREATE TABLE annals_dead_letters (
    tenant    text   NOT NULL COLLATE "C",
    processor text   NOT NULL COLLATE "C",
    position  bigint NOT NULL,
    place     bigint NOT NULL,
    component text   NOT NULL COLLATE "C",
    sequence  text   NOT NULL COLLATE "C",
    event     text   NOT NULL,
    stream    text   NOT NULL COLLATE "C",
    attempts  bigint NOT NULL,
    state     bigint NOT NULL,
    retry_at  bigint,
    error     text   NOT NULL,
    since     bigint NOT NULL,
    PRIMARY KEY (tenant, processor, position, place)
);
CREATE INDEX annals_dead_letters_by_sequence ON annals_dead_letters (tenant, processor, left(sequence, 200));
CREATE INDEX annals_dead_letters_by_retry ON annals_dead_letters (tenant, processor, retry_at) WHERE state = 0;

-- Documents of a view for a transaction that goes on to write them: no append writes to the view before it ends. A row
-- could be locked by itself, but not one that is missing yet.
CREATE FUNCTION annals_view_lock(tenant text, view text, view_version bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT hashtextextended(format('annals view %s %s %s %s', length(tenant), tenant, view_version, view), 0)
$$;
CREATE FUNCTION annals_documents_to_write(wanted_tenant text, wanted_view text, wanted_version bigint, wanted_keys jsonb)
RETURNS TABLE (document_key text, revision bigint, body bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM pg_advisory_xact_lock(annals_view_lock(wanted_tenant, wanted_view, wanted_version));
    RETURN QUERY SELECT d.document_key, d.revision, d.body
    FROM (SELECT DISTINCT value COLLATE "C" AS k FROM jsonb_array_elements_text(wanted_keys)) q
    CROSS JOIN LATERAL (
        SELECT d.document_key, d.revision, d.body
        FROM annals_documents d
        WHERE d.tenant = wanted_tenant AND d.view = wanted_view AND d.view_version = wanted_version
            AND d.document_key = q.k AND d.body IS NOT NULL
        OFFSET 0
    ) d;
END
$$;

-- Writes documents of an append, [[tenant, view, version, key, revision, body as text, body in hexadecimal, revision
-- before]], after transactions that have read documents of the same views. One that has moved refuses them all.
CREATE FUNCTION annals_put_documents(documents jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    there bigint;
    added bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(v.key) FROM (
        SELECT DISTINCT annals_view_lock(q.value ->> 0, q.value ->> 1, (q.value ->> 2)::bigint) AS key
        FROM jsonb_array_elements(documents) q (value)
        ORDER BY key
    ) v;
    SELECT count(*) INTO there
    FROM jsonb_array_elements(documents) q (value)
    CROSS JOIN LATERAL (
        SELECT FROM annals_documents d
        WHERE d.tenant = q.value ->> 0 AND d.view = q.value ->> 1 AND d.view_version = (q.value ->> 2)::bigint
            AND d.document_key = q.value ->> 3 AND d.revision = (q.value ->> 7)::bigint
        OFFSET 0
        FOR UPDATE
    ) d;
    INSERT INTO annals_documents (tenant, view, view_version, document_key, revision, body)
    SELECT
        q.value ->> 0, q.value ->> 1, (q.value ->> 2)::bigint, q.value ->> 3, (q.value ->> 4)::bigint,
        coalesce(convert_to(q.value ->> 5, 'UTF8'), decode(q.value ->> 6, 'hex'))
    FROM jsonb_array_elements(documents) q (value)
    WHERE (q.value ->> 7)::bigint = 0
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    IF there + added <> jsonb_array_length(documents) THEN
        RAISE EXCEPTION 'a document was written meanwhile' USING ERRCODE = 'AN001';
    END IF;
    IF there > 0 THEN
        INSERT INTO annals_documents (tenant, view, view_version, document_key, revision, body)
        SELECT
            q.value ->> 0, q.value ->> 1, (q.value ->> 2)::bigint, q.value ->> 3, (q.value ->> 4)::bigint,
            coalesce(convert_to(q.value ->> 5, 'UTF8'), decode(q.value ->> 6, 'hex'))
        FROM jsonb_array_elements(documents) q (value)
        WHERE (q.value ->> 7)::bigint > 0
        ON CONFLICT (tenant, view, view_version, document_key)
        DO UPDATE SET revision = excluded.revision, body = excluded.body;
    END IF;
END
$$;

-- Removes and adds entries of documents, [[tenant, view, version, index, value, key]]. Whoever writes a document keeps
-- others from writing it, so that its entries are not changed meanwhile.
CREATE FUNCTION annals_put_entries(removed jsonb, added jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF removed IS NOT NULL THEN
        DELETE FROM annals_index_entries WHERE ctid = ANY (ARRAY(
            SELECT e.ctid
            FROM jsonb_array_elements(removed) q (value)
            CROSS JOIN LATERAL (
                SELECT e.ctid FROM annals_index_entries e
                WHERE e.tenant = q.value ->> 0 AND e.view = q.value ->> 1 AND e.view_version = (q.value ->> 2)::bigint
                    AND e.index_name = q.value ->> 3 AND e.indexed_value = q.value ->> 4
                    AND e.document_key = q.value ->> 5
                OFFSET 0
            ) e
        ));
    END IF;
    IF added IS NOT NULL THEN
        INSERT INTO annals_index_entries (tenant, view, view_version, index_name, indexed_value, document_key)
        SELECT q.value ->> 0, q.value ->> 1, (q.value ->> 2)::bigint, q.value ->> 3, q.value ->> 4, q.value ->> 5
        FROM jsonb_array_elements(added) q (value)
        ON CONFLICT DO NOTHING;
    END IF;
END
$$;

-- Writes appends that were planned on assumed facts: verifies the facts and writes, or writes nothing and says what is
-- not as assumed. It is called as a statement of its own, so that it commits by itself.
--
-- Each statement of the function sees what was committed before it, also while it waited for the lock: that is so in
-- READ COMMITTED alone. What the unique keys guard (event ids, command ids, versions that are taken) is left to them.
--
-- `checks` says of each event whether the one before it in its stream must be there: 2 always, 1 if the head has moved,
-- 0 never (it is the first, or the one before it is written here as well). `watched` are streams that were expected to
-- be at a version and are not written to: [[tenant, category, stream id, version]], 0 for a stream without events.
-- Positions inside `tag_positions`, `commands` and `snapshots` are those on the assumed head.
CREATE FUNCTION annals_append(
    append_lock bigint, assumed_head bigint, head_is_fixed boolean, some_unknown boolean,
    tenants text[], categories text[], stream_ids text[], versions bigint[], checks smallint[],
    event_ids uuid[], names text[], revisions bigint[], payloads bytea[], metadatas text[], tag_lists text[],
    instants bigint[], slices smallint[],
    tag_tenants text[], tag_texts text[], tag_positions bigint[],
    watched jsonb, commands jsonb, documents jsonb, removed_entries jsonb, added_entries jsonb, snapshots jsonb,
    OUT head_before bigint, OUT not_as_assumed text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    moved bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'annals_append needs READ COMMITTED' USING ERRCODE = 'invalid_transaction_state';
    END IF;
    PERFORM pg_advisory_xact_lock(append_lock);
    SELECT coalesce(max(position), 0) INTO head_before FROM annals_events;
    moved := head_before - assumed_head;
    IF moved <> 0 AND head_is_fixed THEN
        not_as_assumed := 'the head';
        RETURN;
    END IF;

    IF EXISTS (SELECT FROM annals_streams) AND EXISTS (
        SELECT FROM unnest(tenants, categories, stream_ids) q (tenant, category, stream_id)
        CROSS JOIN LATERAL (
            SELECT FROM annals_streams s
            WHERE s.tenant = q.tenant AND s.category = q.category AND s.stream_id = q.stream_id AND s.status <> 0
            OFFSET 0
        ) s
    ) THEN
        not_as_assumed := 'the life of a stream';
        RETURN;
    END IF;
    IF (some_unknown OR moved <> 0) AND EXISTS (
        SELECT FROM unnest(tenants, categories, stream_ids, versions, checks)
            q (tenant, category, stream_id, version, checked)
        WHERE q.checked >= CASE WHEN moved = 0 THEN 2 ELSE 1 END AND NOT EXISTS (
            SELECT FROM annals_events e
            WHERE e.tenant = q.tenant AND e.category = q.category AND e.stream_id = q.stream_id
                AND e.version = q.version - 1
        )
    ) THEN
        not_as_assumed := 'the version of a stream';
        RETURN;
    END IF;
    IF watched IS NOT NULL AND EXISTS (
        SELECT FROM jsonb_array_elements(watched) q (value)
        WHERE (q.value ->> 3)::bigint IS DISTINCT FROM coalesce((
            SELECT e.version FROM annals_events e
            WHERE e.tenant = q.value ->> 0 AND e.category = q.value ->> 1 AND e.stream_id = q.value ->> 2
            ORDER BY e.version DESC LIMIT 1
        ), 0) OR EXISTS (
            SELECT FROM annals_streams s
            WHERE s.tenant = q.value ->> 0 AND s.category = q.value ->> 1 AND s.stream_id = q.value ->> 2
                AND s.status <> 0
        )
    ) THEN
        not_as_assumed := 'a stream that is not written to';
        RETURN;
    END IF;

    IF documents IS NOT NULL THEN
        PERFORM annals_put_documents(documents);
        IF removed_entries IS NOT NULL OR added_entries IS NOT NULL THEN
            PERFORM annals_put_entries(removed_entries, added_entries);
        END IF;
    END IF;

    INSERT INTO annals_events (
        position, version, revision, recorded_at, event_id, slice, visibility, tenant, name, category, stream_id, tags,
        metadata, payload
    )
    SELECT
        head_before + q.number, q.version, q.revision, q.recorded_at, q.event_id, q.slice, 0, q.tenant, q.name,
        q.category, q.stream_id, q.tags, q.metadata, q.payload
    FROM unnest(
        tenants, categories, stream_ids, versions, event_ids, names, revisions, payloads, metadatas, tag_lists,
        instants, slices
    ) WITH ORDINALITY q (
        tenant, category, stream_id, version, event_id, name, revision, payload, metadata, tags, recorded_at, slice,
        number
    );
    IF cardinality(tag_texts) > 0 THEN
        INSERT INTO annals_tags (tenant, tag, position, visibility)
        SELECT q.tenant, q.tag, q.position + moved, 0
        FROM unnest(tag_tenants, tag_texts, tag_positions) q (tenant, tag, position)
        ON CONFLICT DO NOTHING;
    END IF;
    -- [[tenant, id, name, outcome, answer as text, answer in hexadecimal, recorded at, position, version, target]]
    IF commands IS NOT NULL THEN
        INSERT INTO annals_commands (
            tenant, command_id, name, outcome, answer, recorded_at, position, version, target
        )
        SELECT
            q.value ->> 0, (q.value ->> 1)::uuid, q.value ->> 2, q.value ->> 3,
            coalesce(convert_to(q.value ->> 4, 'UTF8'), decode(q.value ->> 5, 'hex')), (q.value ->> 6)::bigint,
            (q.value ->> 7)::bigint + moved, (q.value ->> 8)::bigint, q.value ->> 9
        FROM jsonb_array_elements(commands) q (value);
    END IF;
    -- [[tenant, category, stream id, schema, version, position, state as text, state in hexadecimal]]
    IF snapshots IS NOT NULL THEN
        INSERT INTO annals_snapshots AS s (tenant, category, stream_id, state_schema, version, position, state)
        SELECT
            q.value ->> 0, q.value ->> 1, q.value ->> 2, q.value ->> 3, (q.value ->> 4)::bigint,
            (q.value ->> 5)::bigint + moved, coalesce(convert_to(q.value ->> 6, 'UTF8'), decode(q.value ->> 7, 'hex'))
        FROM jsonb_array_elements(snapshots) q (value)
        ON CONFLICT (tenant, category, stream_id, state_schema) DO UPDATE
        SET version = excluded.version, position = excluded.position, state = excluded.state
        WHERE excluded.version >= s.version;
    END IF;
END
$$;

-- Subscriptions of outside consumers. `settings` and `consumers` are JSON; `number` is the last delivery number given out;
-- `replaying` counts deliveries with the state 3.
CREATE TABLE annals_subscriptions (
    tenant     text   NOT NULL COLLATE "C",
    name       text   NOT NULL COLLATE "C",
    generation text   NOT NULL,
    revision   bigint NOT NULL,
    settings   text   NOT NULL,
    position   bigint NOT NULL,
    number     bigint NOT NULL,
    replaying  bigint NOT NULL,
    consumers  text   NOT NULL,
    PRIMARY KEY (tenant, name)
) WITH (fillfactor = 50);

-- Events that subscriptions have taken and not yet done with. `state` is 0 for one that waits until `due`, 1 for one that is
-- out until `due`, 2 for one that was parked at `due`, 3 for one that was parked and is given out again.
CREATE TABLE annals_deliveries (
    tenant       text     NOT NULL COLLATE "C",
    subscription text     NOT NULL COLLATE "C",
    position     bigint   NOT NULL,
    sequence     text     NOT NULL COLLATE "C",
    state        smallint NOT NULL,
    attempts     bigint   NOT NULL,
    number       bigint   NOT NULL,
    consumer     text     NOT NULL,
    due          bigint   NOT NULL,
    replayed     smallint NOT NULL,
    reason       text,
    PRIMARY KEY (tenant, subscription, position)
);
CREATE INDEX annals_deliveries_by_state ON annals_deliveries (tenant, subscription, state, position);
