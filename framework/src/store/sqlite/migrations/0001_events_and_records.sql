-- Events. Positions and versions are dense; a row never changes.
-- `payload` is text where the payload is UTF-8, else a blob. `tags` is a JSON array of `key:value`.
-- `recorded_at` counts microseconds since 1970. `slice` is FNV-1a (64 bits) of tenant, category and stream id, each
-- followed by a zero byte, modulo 1024.
CREATE TABLE annals_events (
    position    INTEGER PRIMARY KEY,
    tenant      TEXT    NOT NULL,
    category    TEXT    NOT NULL,
    stream_id   TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    event_id    BLOB    NOT NULL,
    name        TEXT    NOT NULL,
    revision    INTEGER NOT NULL,
    payload     ANY     NOT NULL,
    metadata    TEXT    NOT NULL,
    tags        TEXT    NOT NULL,
    recorded_at INTEGER NOT NULL,
    slice       INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX annals_events_by_stream ON annals_events (tenant, category, stream_id, version);
CREATE UNIQUE INDEX annals_events_by_id ON annals_events (event_id);

CREATE TRIGGER annals_events_never_change BEFORE UPDATE ON annals_events
BEGIN
    SELECT RAISE(ABORT, 'events never change');
END;
CREATE TRIGGER annals_events_are_never_removed BEFORE DELETE ON annals_events
BEGIN
    SELECT RAISE(ABORT, 'events are never removed');
END;

CREATE TABLE annals_tags (
    tenant   TEXT    NOT NULL,
    tag      TEXT    NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (tenant, tag, position)
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

-- Progress of processors. `fence` grows with each claim.
CREATE TABLE annals_tokens (
    processor TEXT    NOT NULL PRIMARY KEY,
    position  INTEGER NOT NULL,
    fence     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE annals_snapshots (
    tenant       TEXT    NOT NULL,
    category     TEXT    NOT NULL,
    stream_id    TEXT    NOT NULL,
    state_schema TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    state        ANY     NOT NULL,
    PRIMARY KEY (tenant, category, stream_id)
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

CREATE TABLE annals_sagas (
    saga     TEXT    NOT NULL,
    saga_id  BLOB    NOT NULL,
    revision INTEGER NOT NULL,
    state    ANY     NOT NULL,
    progress TEXT,
    ended    INTEGER NOT NULL,
    effects  INTEGER NOT NULL,
    PRIMARY KEY (saga, saga_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE annals_associations (
    saga              TEXT NOT NULL,
    association_key   TEXT NOT NULL,
    association_value TEXT NOT NULL,
    saga_id           BLOB NOT NULL,
    PRIMARY KEY (saga, association_key, association_value, saga_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX annals_associations_by_instance ON annals_associations (saga, saga_id);

-- Commands that sagas have decided to send. `place` is their order of commit; `parked` says why one was given up.
CREATE TABLE annals_effects (
    place      INTEGER PRIMARY KEY,
    command_id BLOB    NOT NULL UNIQUE,
    saga       TEXT    NOT NULL,
    saga_id    BLOB    NOT NULL,
    number     INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    payload    ANY     NOT NULL,
    metadata   TEXT    NOT NULL,
    step       TEXT,
    attempts   INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    parked     TEXT
) STRICT;
CREATE INDEX annals_effects_by_instance ON annals_effects (saga, saga_id, number);
CREATE INDEX annals_effects_by_saga ON annals_effects (saga);

CREATE TABLE annals_timers (
    saga    TEXT    NOT NULL,
    saga_id BLOB    NOT NULL,
    name    TEXT    NOT NULL,
    due     INTEGER NOT NULL,
    PRIMARY KEY (saga, saga_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX annals_timers_by_due ON annals_timers (saga, due);

-- Events that a processor could not handle. One without `retry_at` is parked.
CREATE TABLE annals_dead_letters (
    processor TEXT    NOT NULL,
    position  INTEGER NOT NULL,
    sequence  TEXT    NOT NULL,
    attempts  INTEGER NOT NULL,
    retry_at  INTEGER,
    error     TEXT    NOT NULL,
    since     INTEGER NOT NULL,
    PRIMARY KEY (processor, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX annals_dead_letters_by_sequence ON annals_dead_letters (processor, sequence);
