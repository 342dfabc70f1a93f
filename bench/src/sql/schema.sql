-- The events table of Annals: same columns, same unique indexes.
CREATE TABLE events (
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
CREATE UNIQUE INDEX events_by_stream ON events (tenant, category, stream_id, version);
CREATE UNIQUE INDEX events_by_id ON events (event_id);
