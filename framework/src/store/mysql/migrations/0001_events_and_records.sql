-- Every statement can be repeated: MySQL commits each by itself, so a migration that was left half-way is run again.
--
-- Keys are texts in UTF-8, kept as bytes so that they are compared exactly: no collation of MySQL 8 and MariaDB alike tells
-- apart trailing spaces, case and accents. 512 bytes each, four of them fit into an index of InnoDB (3,072 bytes).
-- `annals_readable_events` shows them as texts.

-- Whoever appends locks the one row. `changes` grows with everything but appends that changes what appends depend on.
CREATE TABLE IF NOT EXISTS annals_lock (
    id      TINYINT NOT NULL PRIMARY KEY,
    changes BIGINT  NOT NULL
) ENGINE = InnoDB;
INSERT INTO annals_lock (id, changes) VALUES (1, 0) ON DUPLICATE KEY UPDATE id = id;

-- Events. Positions and versions are dense as they are given out; a row never changes.
-- `visibility` is 0 for every reader, 1 for readers of the stream alone, 2 for nobody. `slice` is FNV-1a (64 bits) of
-- tenant, category and stream id, each followed by a zero byte, modulo 1024. `recorded_at` counts microseconds since
-- 1970. `tags` is a JSON array of `key:value`.
CREATE TABLE IF NOT EXISTS annals_events (
    position    BIGINT         NOT NULL,
    tenant      VARBINARY(512) NOT NULL,
    visibility  TINYINT        NOT NULL,
    slice       SMALLINT       NOT NULL,
    version     BIGINT         NOT NULL,
    revision    BIGINT         NOT NULL,
    recorded_at BIGINT         NOT NULL,
    name        VARBINARY(512) NOT NULL,
    category    VARBINARY(512) NOT NULL,
    stream_id   VARBINARY(512) NOT NULL,
    event_id    BINARY(16)     NOT NULL,
    tags        MEDIUMTEXT     NOT NULL,
    metadata    MEDIUMTEXT     NOT NULL,
    payload     LONGBLOB       NOT NULL,
    PRIMARY KEY (position),
    UNIQUE KEY annals_events_by_stream (tenant, category, stream_id, version),
    UNIQUE KEY annals_events_by_id (event_id),
    KEY annals_events_by_category (tenant, category, position)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4;

DROP TRIGGER IF EXISTS annals_events_never_change;
CREATE TRIGGER annals_events_never_change BEFORE UPDATE ON annals_events FOR EACH ROW
BEGIN
    IF @annals_maintenance IS NULL THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'events never change';
    END IF;
END;
DROP TRIGGER IF EXISTS annals_events_are_never_removed;
CREATE TRIGGER annals_events_are_never_removed BEFORE DELETE ON annals_events FOR EACH ROW
BEGIN
    IF @annals_maintenance IS NULL THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'events are never removed';
    END IF;
END;

-- Always empty. TRUNCATE calls no trigger, but InnoDB refuses it for a table that another one refers to.
CREATE TABLE IF NOT EXISTS annals_events_stay (
    position BIGINT NOT NULL PRIMARY KEY,
    CONSTRAINT annals_events_are_not_truncated FOREIGN KEY (position) REFERENCES annals_events (position)
) ENGINE = InnoDB;

-- The tags of events, each with the visibility of its event. A tag has a colon between its key and its value.
CREATE TABLE IF NOT EXISTS annals_tags (
    tenant     VARBINARY(512) NOT NULL,
    tag        VARBINARY(513) NOT NULL,
    position   BIGINT         NOT NULL,
    visibility TINYINT        NOT NULL,
    PRIMARY KEY (tenant, tag, position)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Streams that are or were not like others; one without a row is open. `status` is 0 for an open stream, 1 for an
-- archived, 2 for a deleted one, 3 for one that was ended for good. `newest` is the newest version when the row was
-- last written: its event may have been removed since. Events before `truncate_before` are hidden. `max_age` is in
-- microseconds.
CREATE TABLE IF NOT EXISTS annals_streams (
    tenant          VARBINARY(512) NOT NULL,
    category        VARBINARY(512) NOT NULL,
    stream_id       VARBINARY(512) NOT NULL,
    status          TINYINT        NOT NULL,
    newest          BIGINT         NOT NULL,
    truncate_before BIGINT         NOT NULL,
    max_age         BIGINT,
    max_count       BIGINT,
    PRIMARY KEY (tenant, category, stream_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Outcomes of commands. `outcome` is `done` or `rejected`.
CREATE TABLE IF NOT EXISTS annals_commands (
    tenant      VARBINARY(512) NOT NULL,
    command_id  BINARY(16)     NOT NULL,
    name        VARBINARY(512) NOT NULL,
    outcome     VARBINARY(8)   NOT NULL,
    answer      LONGBLOB       NOT NULL,
    recorded_at BIGINT         NOT NULL,
    position    BIGINT         NOT NULL,
    version     BIGINT,
    target      LONGBLOB,
    PRIMARY KEY (tenant, command_id),
    KEY annals_commands_by_age (recorded_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Nodes that run processors. `processors` is a JSON array; `expires_at` counts microseconds since 1970, by the clock of
-- the database.
CREATE TABLE IF NOT EXISTS annals_nodes (
    tenant     VARBINARY(512) NOT NULL,
    node       VARBINARY(128) NOT NULL,
    name       TEXT           NOT NULL,
    processors LONGTEXT       NOT NULL,
    expires_at BIGINT         NOT NULL,
    PRIMARY KEY (tenant, node)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4;

-- Segments of processors: the sequences whose hash has the bits of `segment` at those of `mask`. Everything up to `position`
-- is handled. `fence` grows with each change of owner, share or state. `state` is 0 for a segment that may be claimed, 1 for a
-- paused one, 2 for one whose processor was replaced, 3 for one that may be claimed and is not complete yet. `details` is
-- JSON, or empty.
CREATE TABLE IF NOT EXISTS annals_segments (
    tenant    VARBINARY(512) NOT NULL,
    processor VARBINARY(512) NOT NULL,
    segment   BIGINT         NOT NULL,
    mask      BIGINT         NOT NULL,
    position  BIGINT         NOT NULL,
    fence     BIGINT         NOT NULL,
    owner     VARBINARY(128),
    state     BIGINT         NOT NULL,
    details   LONGTEXT       NOT NULL,
    PRIMARY KEY (tenant, processor, segment)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4;

CREATE TABLE IF NOT EXISTS annals_snapshots (
    tenant       VARBINARY(512) NOT NULL,
    category     VARBINARY(512) NOT NULL,
    stream_id    VARBINARY(512) NOT NULL,
    state_schema VARBINARY(512) NOT NULL,
    version      BIGINT         NOT NULL,
    position     BIGINT         NOT NULL,
    state        LONGBLOB       NOT NULL,
    PRIMARY KEY (tenant, category, stream_id, state_schema)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Documents of views. One without a body was removed, or is about to be written; its revision goes on if it comes back.
CREATE TABLE IF NOT EXISTS annals_documents (
    tenant       VARBINARY(512) NOT NULL,
    view         VARBINARY(512) NOT NULL,
    view_version BIGINT         NOT NULL,
    document_key VARBINARY(512) NOT NULL,
    revision     BIGINT         NOT NULL,
    body         LONGBLOB,
    PRIMARY KEY (tenant, view, view_version, document_key)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- The documents of views for whoever reads them in plain SQL: one row for each, with its body as JSON. What the framework
-- keeps for itself in the same table is left out.
CREATE OR REPLACE VIEW annals_documents_json AS
SELECT tenant, view, view_version, document_key, revision, CONVERT(body USING utf8mb4) AS document
FROM annals_documents
WHERE body IS NOT NULL AND view_version < 2147483648 AND LEFT(view, 1) <> '$';

-- Under which indexes of its view a document is found, with which values. Bytes of values are in the order of the values.
CREATE TABLE IF NOT EXISTS annals_index_entries (
    tenant        VARBINARY(512) NOT NULL,
    view          VARBINARY(512) NOT NULL,
    view_version  BIGINT         NOT NULL,
    index_name    VARBINARY(128) NOT NULL,
    indexed_value VARBINARY(512) NOT NULL,
    document_key  VARBINARY(512) NOT NULL,
    PRIMARY KEY (tenant, view, view_version, index_name, indexed_value, document_key),
    KEY annals_index_entries_by_document (tenant, view, view_version, document_key, index_name, indexed_value)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Instances of sagas. `status` is 0 for a running one, 1 for one that has come to its end, 2 for one that was undone, 3 for one
-- that was ended by hand. `slice` decides which segment of the saga has it, `position` is the newest event that it has handled,
-- and of running ones only one has a `start_key`. Instants count microseconds since 1970.
CREATE TABLE IF NOT EXISTS annals_sagas (
    tenant    VARBINARY(512) NOT NULL,
    saga      VARBINARY(512) NOT NULL,
    saga_id   BINARY(16)     NOT NULL,
    revision  BIGINT         NOT NULL,
    version   BIGINT         NOT NULL,
    state     LONGBLOB       NOT NULL,
    progress  LONGTEXT,
    status    BIGINT         NOT NULL,
    slice     BIGINT         NOT NULL,
    position  BIGINT         NOT NULL,
    start_key VARBINARY(512),
    effects   BIGINT         NOT NULL,
    step      VARBINARY(512),
    attention LONGTEXT,
    began     BIGINT         NOT NULL,
    changed   BIGINT         NOT NULL,
    PRIMARY KEY (tenant, saga, saga_id),
    UNIQUE KEY annals_sagas_by_key (tenant, saga, start_key),
    KEY annals_sagas_by_status (tenant, saga, status, began)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4;

-- What has happened to instances, in order; each entry is JSON.
CREATE TABLE IF NOT EXISTS annals_saga_history (
    place   BIGINT         NOT NULL AUTO_INCREMENT,
    tenant  VARBINARY(512) NOT NULL,
    saga    VARBINARY(512) NOT NULL,
    saga_id BINARY(16)     NOT NULL,
    at      BIGINT         NOT NULL,
    entry   LONGTEXT       NOT NULL,
    PRIMARY KEY (place),
    KEY annals_saga_history_by_instance (tenant, saga, saga_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4;

-- Inputs that wait for an instance which could not handle the first of them; each is JSON.
CREATE TABLE IF NOT EXISTS annals_saga_waiting (
    tenant  VARBINARY(512) NOT NULL,
    saga    VARBINARY(512) NOT NULL,
    saga_id BINARY(16)     NOT NULL,
    number  BIGINT         NOT NULL,
    input   LONGTEXT       NOT NULL,
    PRIMARY KEY (tenant, saga, saga_id, number)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4;

CREATE TABLE IF NOT EXISTS annals_associations (
    tenant            VARBINARY(512) NOT NULL,
    saga              VARBINARY(512) NOT NULL,
    association_key   VARBINARY(512) NOT NULL,
    association_value VARBINARY(512) NOT NULL,
    saga_id           BINARY(16)     NOT NULL,
    PRIMARY KEY (tenant, saga, association_key, association_value, saga_id),
    KEY annals_associations_by_instance (tenant, saga, saga_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- What sagas have decided should happen, and what was scheduled. `place` is the order of commit; `kind` is 0 for a command, 1 for
-- one whose answer is of no interest, 2 for an event, 3 for a saga to begin, 4 for an end to tell, 5 for code of a workflow; those
-- of an instance with one number in `together`, other than 0, do not wait for each other; `parked` says why one was given up.
CREATE TABLE IF NOT EXISTS annals_effects (
    place      BIGINT         NOT NULL AUTO_INCREMENT,
    tenant     VARBINARY(512) NOT NULL,
    command_id BINARY(16)     NOT NULL,
    saga       VARBINARY(512) NOT NULL,
    saga_id    BINARY(16)     NOT NULL,
    slice      BIGINT         NOT NULL,
    number     BIGINT         NOT NULL,
    together   BIGINT         NOT NULL,
    kind       BIGINT         NOT NULL,
    name       VARBINARY(512) NOT NULL,
    payload    LONGBLOB       NOT NULL,
    metadata   MEDIUMTEXT     NOT NULL,
    step       VARBINARY(512),
    scope      VARBINARY(1100),
    label      VARBINARY(512),
    attempts   BIGINT         NOT NULL,
    not_before BIGINT         NOT NULL,
    parked     LONGTEXT,
    PRIMARY KEY (place),
    UNIQUE KEY annals_effects_by_command (tenant, command_id),
    KEY annals_effects_by_instance (tenant, saga, saga_id, number),
    KEY annals_effects_by_saga (tenant, saga),
    KEY annals_effects_by_scope (tenant, saga, scope, label),
    KEY annals_effects_by_due (tenant, saga, not_before, place)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4;

CREATE TABLE IF NOT EXISTS annals_timers (
    tenant  VARBINARY(512) NOT NULL,
    saga    VARBINARY(512) NOT NULL,
    saga_id BINARY(16)     NOT NULL,
    slice   BIGINT         NOT NULL,
    name    VARBINARY(512) NOT NULL,
    due     BIGINT         NOT NULL,
    PRIMARY KEY (tenant, saga, saga_id, name),
    KEY annals_timers_by_due (tenant, saga, due)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Steps of events that a processor could not take. `state` is 0 for one that is tried again at `retry_at`, 1 for a parked
-- one, 2 for one that was passed over.
CREATE TABLE IF NOT EXISTS annals_dead_letters (
    tenant    VARBINARY(512)  NOT NULL,
    processor VARBINARY(512)  NOT NULL,
    position  BIGINT          NOT NULL,
    place     BIGINT          NOT NULL,
    component VARBINARY(512)  NOT NULL,
    sequence  VARBINARY(1536) NOT NULL,
    event     TEXT            NOT NULL,
    stream    VARBINARY(1536) NOT NULL,
    attempts  BIGINT          NOT NULL,
    state     BIGINT          NOT NULL,
    retry_at  BIGINT,
    error     LONGTEXT        NOT NULL,
    since     BIGINT          NOT NULL,
    PRIMARY KEY (tenant, processor, position, place),
    KEY annals_dead_letters_by_sequence (tenant, processor, sequence),
    KEY annals_dead_letters_by_retry (tenant, processor, state, retry_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4;

-- Subscriptions of outside consumers. `settings` and `consumers` are JSON; `number` is the last delivery number given out;
-- `replaying` counts deliveries with the state 3.
CREATE TABLE IF NOT EXISTS annals_subscriptions (
    tenant     VARBINARY(512) NOT NULL,
    name       VARBINARY(512) NOT NULL,
    generation VARBINARY(64)  NOT NULL,
    revision   BIGINT         NOT NULL,
    settings   LONGTEXT       NOT NULL,
    position   BIGINT         NOT NULL,
    number     BIGINT         NOT NULL,
    replaying  BIGINT         NOT NULL,
    consumers  LONGTEXT       NOT NULL,
    PRIMARY KEY (tenant, name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4;

-- Events that subscriptions have taken and not yet done with. `state` is 0 for one that waits until `due`, 1 for one that is
-- out until `due`, 2 for one that was parked at `due`, 3 for one that was parked and is given out again.
CREATE TABLE IF NOT EXISTS annals_deliveries (
    tenant       VARBINARY(512)  NOT NULL,
    subscription VARBINARY(512)  NOT NULL,
    position     BIGINT          NOT NULL,
    sequence     VARBINARY(1536) NOT NULL,
    state        TINYINT         NOT NULL,
    attempts     BIGINT          NOT NULL,
    number       BIGINT          NOT NULL,
    consumer     VARBINARY(512)  NOT NULL,
    due          BIGINT          NOT NULL,
    replayed     TINYINT         NOT NULL,
    reason       LONGTEXT,
    PRIMARY KEY (tenant, subscription, position),
    KEY annals_deliveries_by_state (tenant, subscription, state, position)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4;

-- Events as people read them: keys and payloads as texts, ids in hexadecimal, the time in UTC.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW annals_readable_events AS
SELECT
    position,
    CONVERT(tenant USING utf8mb4) AS tenant,
    CONVERT(category USING utf8mb4) AS category,
    CONVERT(stream_id USING utf8mb4) AS stream_id,
    version,
    LOWER(HEX(event_id)) AS event_id,
    CONVERT(name USING utf8mb4) AS name,
    revision,
    CONVERT(payload USING utf8mb4) AS payload,
    metadata,
    tags,
    TIMESTAMPADD(MICROSECOND, recorded_at, '1970-01-01 00:00:00') AS recorded_at,
    visibility,
    slice
FROM annals_events;
