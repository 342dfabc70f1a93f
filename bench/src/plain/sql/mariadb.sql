-- The events and tags of Annals: same columns, same indexes.
CREATE TABLE IF NOT EXISTS events (
    position    BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    tenant      VARBINARY(512) NOT NULL,
    category    VARBINARY(512) NOT NULL,
    stream_id   VARBINARY(512) NOT NULL,
    version     BIGINT         NOT NULL,
    event_id    BINARY(16)     NOT NULL,
    name        VARBINARY(512) NOT NULL,
    revision    INT            NOT NULL,
    payload     LONGBLOB       NOT NULL,
    metadata    LONGTEXT       NOT NULL,
    tags        LONGTEXT       NOT NULL,
    recorded_at BIGINT         NOT NULL,
    slice       SMALLINT       NOT NULL,
    UNIQUE KEY events_by_stream (tenant, category, stream_id, version),
    UNIQUE KEY events_by_id (event_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS tags (
    tenant   VARBINARY(512) NOT NULL,
    tag      VARBINARY(512) NOT NULL,
    position BIGINT         NOT NULL,
    PRIMARY KEY (tenant, tag, position)
) ENGINE = InnoDB;
