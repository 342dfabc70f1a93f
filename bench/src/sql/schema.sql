-- The events table as Annals lays it out: same columns, same unique keys.
CREATE TABLE events (
    position    INTEGER PRIMARY KEY,
    tenant      TEXT    NOT NULL,
    category    TEXT    NOT NULL,
    stream      TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    id          BLOB    NOT NULL,
    name        TEXT    NOT NULL,
    revision    INTEGER NOT NULL,
    payload     TEXT    NOT NULL,
    metadata    TEXT    NOT NULL,
    tags        TEXT    NOT NULL,
    slice       INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    UNIQUE (tenant, category, stream, version),
    UNIQUE (id)
) STRICT;
