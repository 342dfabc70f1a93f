-- Has a row inside a transaction that may change and remove events, which takes it back before it commits: no other
-- connection ever sees one.
CREATE TABLE annals_maintenance (
    active INTEGER NOT NULL
) STRICT;

-- Events. Positions and versions are dense as they are given out; a row never changes.
-- `visibility` is 0 for every reader, 1 for readers of the stream alone, 2 for nobody. `slice` is FNV-1a (64 bits) of
-- tenant, category and stream id, each followed by a zero byte, modulo 1024. `recorded_at` counts microseconds since
-- 1970. `tags` is a JSON array of `key:value`. `payload` is text where the payload is UTF-8 without a zero character,
-- else a blob. What is short comes first: SQLite reads a row only as far as it is asked for.
CREATE TABLE annals_events (
    position    INTEGER PRIMARY KEY,
    tenant      TEXT    NOT NULL,
    visibility  INTEGER NOT NULL,
    slice       INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    category    TEXT    NOT NULL,
    stream_id   TEXT    NOT NULL,
    event_id    BLOB    NOT NULL,
    tags        TEXT    NOT NULL,
    metadata    TEXT    NOT NULL,
    payload     ANY     NOT NULL
) STRICT;
CREATE UNIQUE INDEX annals_events_by_stream ON annals_events (tenant, category, stream_id, version);
CREATE UNIQUE INDEX annals_events_by_id ON annals_events (event_id);
CREATE INDEX annals_events_by_category ON annals_events (tenant, category, position);

CREATE TRIGGER annals_events_never_change BEFORE UPDATE ON annals_events
WHEN NOT EXISTS (SELECT 1 FROM annals_maintenance)
BEGIN
    SELECT RAISE(ABORT, 'events never change');
END;
CREATE TRIGGER annals_events_are_never_removed BEFORE DELETE ON annals_events
WHEN NOT EXISTS (SELECT 1 FROM annals_maintenance)
BEGIN
    SELECT RAISE(ABORT, 'events are never removed');
END;

-- The tags of events, each with the visibility of its event.
CREATE TABLE annals_tags (
    tenant     TEXT    NOT NULL,
    tag        TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    visibility INTEGER NOT NULL,
    PRIMARY KEY (tenant, tag, position)
) STRICT, WITHOUT ROWID;

-- Streams that are or were not like others; one without a row is open. `status` is 0 for an open stream, 1 for an
-- archived, 2 for a deleted one, 3 for one that was ended for good. `newest` is the newest version when the row was
-- last written: its event may have been removed since. Events before `truncate_before` are hidden. `max_age` is in
-- microseconds.
CREATE TABLE annals_streams (
    tenant          TEXT    NOT NULL,
    category        TEXT    NOT NULL,
    stream_id       TEXT    NOT NULL,
    status          INTEGER NOT NULL,
    newest          INTEGER NOT NULL,
    truncate_before INTEGER NOT NULL,
    max_age         INTEGER,
    max_count       INTEGER,
    PRIMARY KEY (tenant, category, stream_id)
) STRICT, WITHOUT ROWID;

-- Outcomes of commands. `outcome` is `done` or `rejected`.
CREATE TABLE annals_commands (
    tenant      TEXT    NOT NULL,
    command_id  BLOB    NOT NULL,
    name        TEXT    NOT NULL,
    outcome     TEXT    NOT NULL,
    answer      ANY     NOT NULL,
    recorded_at INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    version     INTEGER,
    target      TEXT,
    PRIMARY KEY (tenant, command_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX annals_commands_by_age ON annals_commands (recorded_at);

-- Nodes that run processors. `processors` is a JSON array; `expires_at` counts microseconds since 1970, by the clock of
-- the database.
CREATE TABLE annals_nodes (
    tenant     TEXT    NOT NULL,
    node       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    processors TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, node)
) STRICT, WITHOUT ROWID;

-- Segments of processors: the sequences whose hash has the bits of `segment` at those of `mask`. Everything up to `position`
-- is handled. `fence` grows with each change of owner, share or state. `state` is 0 for a segment that may be claimed, 1 for a
-- paused one, 2 for one whose processor was replaced, 3 for one that may be claimed and is not complete yet. `details` is
-- JSON, or empty.
CREATE TABLE annals_segments (
    tenant    TEXT    NOT NULL,
    processor TEXT    NOT NULL,
    segment   INTEGER NOT NULL,
    mask      INTEGER NOT NULL,
    position  INTEGER NOT NULL,
    fence     INTEGER NOT NULL,
    owner     TEXT,
    state     INTEGER NOT NULL,
    details   TEXT    NOT NULL,
    PRIMARY KEY (tenant, processor, segment)
) STRICT, WITHOUT ROWID;

CREATE TABLE annals_snapshots (
    tenant       TEXT    NOT NULL,
    category     TEXT    NOT NULL,
    stream_id    TEXT    NOT NULL,
    state_schema TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    state        ANY     NOT NULL,
    PRIMARY KEY (tenant, category, stream_id, state_schema)
) STRICT, WITHOUT ROWID;

-- Documents of views. One without a body was removed; its revision goes on if it comes back.
CREATE TABLE annals_documents (
    tenant       TEXT    NOT NULL,
    view         TEXT    NOT NULL,
    view_version INTEGER NOT NULL,
    document_key TEXT    NOT NULL,
    revision     INTEGER NOT NULL,
    body         ANY,
    PRIMARY KEY (tenant, view, view_version, document_key)
) STRICT, WITHOUT ROWID;

-- The documents of views for whoever reads them in plain SQL: one row for each, with its body as JSON. What the framework
-- keeps for itself in the same table is left out.
CREATE VIEW annals_documents_json AS
SELECT tenant, view, view_version, document_key, revision, body AS document
FROM annals_documents
WHERE body IS NOT NULL AND view_version < 2147483648 AND substr(view, 1, 1) <> '$';

-- Under which indexes of its view a document is found, with which values. Bytes of values are in the order of the values.
CREATE TABLE annals_index_entries (
    tenant        TEXT    NOT NULL,
    view          TEXT    NOT NULL,
    view_version  INTEGER NOT NULL,
    index_name    TEXT    NOT NULL,
    indexed_value TEXT    NOT NULL,
    document_key  TEXT    NOT NULL,
    PRIMARY KEY (tenant, view, view_version, index_name, indexed_value, document_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX annals_index_entries_by_document
    ON annals_index_entries (tenant, view, view_version, document_key, index_name, indexed_value);

-- Instances of sagas. `status` is 0 for a running one, 1 for one that has come to its end, 2 for one that was undone, 3 for one
-- that was ended by hand. `slice` decides which segment of the saga has it, `position` is the newest event that it has handled,
-- and of running ones only one has a `start_key`. Instants count microseconds since 1970.
CREATE TABLE annals_sagas (
    tenant    TEXT    NOT NULL,
    saga      TEXT    NOT NULL,
    saga_id   BLOB    NOT NULL,
    revision  INTEGER NOT NULL,
    version   INTEGER NOT NULL,
    state     ANY     NOT NULL,
    progress  TEXT,
    status    INTEGER NOT NULL,
    slice     INTEGER NOT NULL,
    position  INTEGER NOT NULL,
    start_key TEXT,
    effects   INTEGER NOT NULL,
    step      TEXT,
    attention TEXT,
    began     INTEGER NOT NULL,
    changed   INTEGER NOT NULL,
    PRIMARY KEY (saga_id, saga, tenant)
) STRICT, WITHOUT ROWID;
-- Tables of sagas are found by the ids of instances: statements say `+tenant` where a planner without statistics would read all of a
-- saga instead.
CREATE UNIQUE INDEX annals_sagas_by_key ON annals_sagas (tenant, saga, start_key) WHERE start_key IS NOT NULL;
CREATE INDEX annals_sagas_by_status ON annals_sagas (tenant, saga, status, began);
CREATE INDEX annals_sagas_by_attention ON annals_sagas (tenant, saga, began) WHERE attention IS NOT NULL;

-- What has happened to instances, in order; each entry is JSON.
CREATE TABLE annals_saga_history (
    place   INTEGER PRIMARY KEY,
    tenant  TEXT    NOT NULL,
    saga    TEXT    NOT NULL,
    saga_id BLOB    NOT NULL,
    at      INTEGER NOT NULL,
    entry   TEXT    NOT NULL
) STRICT;
CREATE INDEX annals_saga_history_by_instance ON annals_saga_history (saga_id, saga, tenant);

-- Inputs that wait for an instance which could not handle the first of them; each is JSON.
CREATE TABLE annals_saga_waiting (
    tenant  TEXT    NOT NULL,
    saga    TEXT    NOT NULL,
    saga_id BLOB    NOT NULL,
    number  INTEGER NOT NULL,
    input   TEXT    NOT NULL,
    PRIMARY KEY (saga_id, number, saga, tenant)
) STRICT, WITHOUT ROWID;

CREATE TABLE annals_associations (
    tenant            TEXT NOT NULL,
    saga              TEXT NOT NULL,
    association_key   TEXT NOT NULL,
    association_value TEXT NOT NULL,
    saga_id           BLOB NOT NULL,
    PRIMARY KEY (tenant, saga, association_key, association_value, saga_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX annals_associations_by_instance ON annals_associations (saga_id, saga, tenant);

-- What sagas have decided should happen, and what was scheduled. `place` is the order of commit; `kind` is 0 for a command, 1 for
-- one whose answer is of no interest, 2 for an event, 3 for a saga to begin, 4 for an end to tell, 5 for code of a workflow; those
-- of an instance with one number in `together`, other than 0, do not wait for each other; `parked` says why one was given up.
CREATE TABLE annals_effects (
    place      INTEGER PRIMARY KEY,
    tenant     TEXT    NOT NULL,
    command_id BLOB    NOT NULL,
    saga       TEXT    NOT NULL,
    saga_id    BLOB    NOT NULL,
    slice      INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    together   INTEGER NOT NULL,
    kind       INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    payload    ANY     NOT NULL,
    metadata   TEXT    NOT NULL,
    step       TEXT,
    scope      TEXT,
    label      TEXT,
    attempts   INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    parked     TEXT
) STRICT;
CREATE UNIQUE INDEX annals_effects_by_command ON annals_effects (tenant, command_id);
CREATE INDEX annals_effects_by_instance ON annals_effects (tenant, saga, saga_id, number);
CREATE INDEX annals_effects_by_saga ON annals_effects (tenant, saga);
CREATE INDEX annals_effects_by_scope ON annals_effects (tenant, saga, scope, label) WHERE scope IS NOT NULL;
CREATE INDEX annals_effects_by_due ON annals_effects (tenant, saga, not_before) WHERE parked IS NULL;

CREATE TABLE annals_timers (
    tenant  TEXT    NOT NULL,
    saga    TEXT    NOT NULL,
    saga_id BLOB    NOT NULL,
    slice   INTEGER NOT NULL,
    name    TEXT    NOT NULL,
    due     INTEGER NOT NULL,
    PRIMARY KEY (saga_id, name, saga, tenant)
) STRICT, WITHOUT ROWID;
CREATE INDEX annals_timers_by_due ON annals_timers (tenant, saga, due);

-- Steps of events that a processor could not take. `state` is 0 for one that is tried again at `retry_at`, 1 for a parked
-- one, 2 for one that was passed over.
CREATE TABLE annals_dead_letters (
    tenant    TEXT    NOT NULL,
    processor TEXT    NOT NULL,
    position  INTEGER NOT NULL,
    place     INTEGER NOT NULL,
    component TEXT    NOT NULL,
    sequence  TEXT    NOT NULL,
    event     TEXT    NOT NULL,
    stream    TEXT    NOT NULL,
    attempts  INTEGER NOT NULL,
    state     INTEGER NOT NULL,
    retry_at  INTEGER,
    error     TEXT    NOT NULL,
    since     INTEGER NOT NULL,
    PRIMARY KEY (tenant, processor, position, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX annals_dead_letters_by_sequence ON annals_dead_letters (tenant, processor, sequence);
CREATE INDEX annals_dead_letters_by_retry ON annals_dead_letters (tenant, processor, retry_at) WHERE state = 0;

-- Subscriptions of outside consumers. `settings` and `consumers` are JSON; `number` is the last delivery number given out;
-- `replaying` counts deliveries with the state 3.
CREATE TABLE annals_subscriptions (
    tenant     TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    generation TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    settings   TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    replaying  INTEGER NOT NULL,
    consumers  TEXT    NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

-- Events that subscriptions have taken and not yet done with. `state` is 0 for one that waits until `due`, 1 for one that is
-- out until `due`, 2 for one that was parked at `due`, 3 for one that was parked and is given out again.
CREATE TABLE annals_deliveries (
    tenant       TEXT    NOT NULL,
    subscription TEXT    NOT NULL,
    position     INTEGER NOT NULL,
    sequence     TEXT    NOT NULL,
    state        INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    consumer     TEXT    NOT NULL,
    due          INTEGER NOT NULL,
    replayed     INTEGER NOT NULL,
    reason       TEXT,
    PRIMARY KEY (tenant, subscription, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX annals_deliveries_by_state ON annals_deliveries (tenant, subscription, state, position);
