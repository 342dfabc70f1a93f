//! Plain SQL on SQLite.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use serde::Serialize;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row as _, Sqlite as Driver, SqliteConnection};

use super::access::{Access, Connections};
use super::{PAGE, Packing, Part, Row, Table};
use crate::Error;
use crate::deposit::Deposit;
use crate::totals::Totals;

/// A file with the settings of the SQLite store of Annals.
pub(super) struct Sqlite {
    connections: Connections<Driver>,
}

const HEAD: &str = "SELECT max(version) FROM events WHERE tenant = '' AND category = 'account' AND stream_id = ?";

const INSERT: &str = "INSERT INTO events \
    (tenant, visibility, category, stream_id, version, event_id, name, revision, payload, metadata, tags, recorded_at, slice) \
    VALUES ('', 0, 'account', ?, ?, ?, 'account.deposited', 1, ?, '{}', ?, ?, ?)";

/// A position that is null is given by the database. Rows are an array of arrays, see [`rows_as_json`].
const INSERT_MANY: &str = "INSERT INTO events (position, tenant, visibility, category, stream_id, version, event_id, \
    name, revision, payload, metadata, tags, recorded_at, slice) \
    SELECT value ->> 0, '', 0, 'account', value ->> 1, value ->> 2, unhex(value ->> 3), 'account.deposited', 1, \
    value ->> 4, '{}', value ->> 5, value ->> 6, value ->> 7 FROM json_each(?)";

const INSERT_TAGS: &str = "INSERT INTO tags (tenant, tag, position, visibility) \
    SELECT '', value ->> 8, value ->> 0, 0 FROM json_each(?) WHERE value ->> 8 IS NOT NULL";

const TAG_HEAD: &str = "SELECT max(position) FROM tags WHERE tenant = '' AND tag = ?";

const TAG: &str = "INSERT INTO tags (tenant, tag, position, visibility) VALUES ('', ?, ?, 0)";

impl Sqlite {
    pub(super) async fn open(url: &str, access: Access) -> Result<Self, Error> {
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(60))
            .pragma("wal_autocheckpoint", "8192")
            .pragma("cache_size", "-16384")
            .disable_statement_logging();
        let mut first = options.connect().await?;
        sqlx::raw_sql(include_str!("sql/sqlite.sql")).execute(&mut first).await?;
        first.close().await?;
        Ok(Self { connections: Connections::open(options, access).await? })
    }
}

#[async_trait]
impl Table for Sqlite {
    async fn deposit(&self, deposit: &Deposit) -> Result<(), Error> {
        let mut connection = self.connections.write().await?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let head: Option<i64> = sqlx::query_scalar(HEAD).bind(&deposit.account).fetch_one(&mut *transaction).await?;
        insert_one(&mut transaction, &Row::new(deposit, head.unwrap_or(0) + 1)?).await?;
        Ok(transaction.commit().await?)
    }

    async fn insert(&self, rows: &[Row]) -> Result<(), Error> {
        let json = rows_as_json(rows)?;
        let mut connection = self.connections.write().await?;
        if rows.iter().all(|row| row.tag.is_none()) {
            sqlx::query(INSERT_MANY).bind(json).execute(&mut *connection).await?;
            return Ok(());
        }
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(INSERT_MANY).bind(&json).execute(&mut *transaction).await?;
        sqlx::query(INSERT_TAGS).bind(json).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    async fn insert_if(&self, row: &Row, boundary: &str, after: Option<i64>) -> Result<Option<i64>, Error> {
        let mut connection = self.connections.write().await?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let newest: Option<i64> = sqlx::query_scalar(TAG_HEAD).bind(boundary).fetch_one(&mut *transaction).await?;
        if after.is_some_and(|after| newest.is_some_and(|newest| newest > after)) {
            transaction.rollback().await?;
            return Ok(None);
        }
        let position = insert_one(&mut transaction, row).await?;
        sqlx::query(TAG).bind(boundary).bind(position).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Some(position))
    }

    async fn after(&self, position: i64) -> Result<Vec<(i64, Vec<u8>)>, Error> {
        let page = "SELECT position, CAST(payload AS BLOB) FROM events WHERE position > ? ORDER BY position LIMIT 512";
        let mut connection = self.connections.read().await?;
        Ok(sqlx::query_as(page).bind(position).fetch_all(&mut *connection).await?)
    }

    async fn fold(&self, part: Part<'_>, packing: Packing) -> Result<Totals, Error> {
        let mut connection = self.connections.read().await?;
        match packing {
            Packing::Rows => fold_rows(&mut connection, part).await,
            Packing::Pages => fold_pages(&mut connection, part).await,
        }
    }

    async fn count(&self) -> Result<u64, Error> {
        let mut connection = self.connections.read().await?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&mut *connection).await?;
        Ok(count.try_into()?)
    }

    async fn close(&self) {
        self.connections.close().await;
    }
}

/// Gives the position.
async fn insert_one(connection: &mut SqliteConnection, row: &Row) -> Result<i64, sqlx::Error> {
    let insert = sqlx::query(INSERT).bind(&row.stream).bind(row.version).bind(row.id.as_bytes().as_slice());
    let insert = insert.bind(&row.payload).bind(row.tags()).bind(row.recorded_at).bind(row.slice());
    Ok(insert.execute(connection).await?.last_insert_rowid())
}

fn rows_as_json(rows: &[Row]) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Columns<'a>(Option<i64>, &'a str, i64, String, &'a str, String, i64, i32, Option<&'a str>);
    let columns = rows.iter().map(|row| {
        let id = row.id.simple().to_string();
        let tag = row.tag.as_deref();
        Columns(row.position, &row.stream, row.version, id, &row.payload, row.tags(), row.recorded_at, row.slice(), tag)
    });
    Ok(serde_json::to_string(&columns.collect::<Vec<_>>())?)
}

async fn fold_rows(connection: &mut SqliteConnection, part: Part<'_>) -> Result<Totals, Error> {
    let mut rows = match part {
        Part::Stream(stream) => {
            let select = "SELECT payload FROM events \
                WHERE tenant = '' AND category = 'account' AND stream_id = ? ORDER BY version";
            sqlx::query(select).bind(stream).fetch(connection)
        }
        Part::All => sqlx::query("SELECT payload FROM events ORDER BY position").fetch(connection),
    };
    let mut totals = Totals::default();
    while let Some(row) = rows.try_next().await? {
        totals.add_json(row.try_get(0)?)?;
    }
    Ok(totals)
}

async fn fold_pages(connection: &mut SqliteConnection, part: Part<'_>) -> Result<Totals, Error> {
    let mut totals = Totals::default();
    let mut after = 0_i64;
    loop {
        let page = match part {
            Part::Stream(stream) => {
                let select = "SELECT group_concat(payload, char(10)), max(version), count(*) FROM (\
                    SELECT payload, version FROM events \
                    WHERE tenant = '' AND category = 'account' AND stream_id = ? AND version > ? ORDER BY version LIMIT ?)";
                sqlx::query(select).bind(stream)
            }
            Part::All => sqlx::query(
                "SELECT group_concat(payload, char(10)), max(position), count(*) FROM (\
                 SELECT payload, position FROM events WHERE position > ? ORDER BY position LIMIT ?)",
            ),
        };
        let page = page.bind(after).bind(PAGE).fetch_one(&mut *connection).await?;
        let count: i64 = page.try_get(2)?;
        if count > 0 {
            totals.add_json_lines(page.try_get(0)?)?;
            after = page.try_get(1)?;
        }
        if count < PAGE {
            return Ok(totals);
        }
    }
}
