-- The events and tags of Annals: same columns, same indexes. A test compares them. Positions are given by the database
-- where a row has none.
CREATE TABLE IF NOT EXISTS events (
    position    BIGINT         NOT NULL AUTO_INCREMENT,
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
    UNIQUE KEY events_by_stream (tenant, category, stream_id, version),
    UNIQUE KEY events_by_id (event_id),
    KEY events_by_category (tenant, category, position)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4;

CREATE TABLE IF NOT EXISTS tags (
    tenant     VARBINARY(512) NOT NULL,
    tag        VARBINARY(513) NOT NULL,
    position   BIGINT         NOT NULL,
    visibility TINYINT        NOT NULL,
    PRIMARY KEY (tenant, tag, position)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
