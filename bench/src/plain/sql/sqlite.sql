-- The events and tags of Annals: same columns, same indexes. A test compares them.
CREATE TABLE IF NOT EXISTS events (
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
CREATE UNIQUE INDEX IF NOT EXISTS events_by_stream ON events (tenant, category, stream_id, version);
CREATE UNIQUE INDEX IF NOT EXISTS events_by_id ON events (event_id);
CREATE INDEX IF NOT EXISTS events_by_category ON events (tenant, category, position);

CREATE TABLE IF NOT EXISTS tags (
    tenant     TEXT    NOT NULL,
    tag        TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    visibility INTEGER NOT NULL,
    PRIMARY KEY (tenant, tag, position)
) STRICT, WITHOUT ROWID;
