//! Plain SQL on PostgreSQL.

use std::str::FromStr;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Postgres as Driver, Row as _};

use super::access::{Access, Connections};
use super::{PAGE, Packing, Part, Row, Table};
use crate::Error;
use crate::deposit::Deposit;
use crate::totals::Totals;

/// A database on a server with default settings.
pub(super) struct Postgres {
    connections: Connections<Driver>,
}

const HEAD: &str = "SELECT max(version) FROM events WHERE tenant = '' AND category = 'account' AND stream_id = $1";

const INSERT: &str = "INSERT INTO events (tenant, visibility, category, stream_id, version, event_id, name, revision, payload, \
    metadata, tags, recorded_at, slice) \
    VALUES ('', 0, 'account', $1, $2, $3, 'account.deposited', 1, $4, '{}', $5, $6, $7) RETURNING position";

const INSERT_MANY: &str = "INSERT INTO events (tenant, visibility, category, stream_id, version, event_id, name, revision, \
    payload, metadata, tags, recorded_at, slice) \
    SELECT '', 0, 'account', stream_id, version, event_id, 'account.deposited', 1, payload, '{}', tags, recorded_at, slice \
    FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::bytea[], $5::text[], $6::bigint[], $7::int[]) \
    AS row (stream_id, version, event_id, payload, tags, recorded_at, slice)";

const INSERT_PLACED: &str = "INSERT INTO events (position, tenant, visibility, category, stream_id, version, event_id, name, \
    revision, payload, metadata, tags, recorded_at, slice) \
    SELECT position, '', 0, 'account', stream_id, version, event_id, 'account.deposited', 1, payload, '{}', tags, \
    recorded_at, slice \
    FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::bytea[], $5::text[], $6::bigint[], $7::int[], $8::bigint[]) \
    AS row (stream_id, version, event_id, payload, tags, recorded_at, slice, position)";

/// The same with a tag for each row, in one statement.
const INSERT_TAGGED: &str = "WITH tagged AS (INSERT INTO tags (tenant, tag, position, visibility) \
    SELECT '', tag, position, 0 FROM unnest($9::text[], $8::bigint[]) AS row (tag, position)) \
    INSERT INTO events (position, tenant, visibility, category, stream_id, version, event_id, name, \
    revision, payload, metadata, tags, recorded_at, slice) \
    SELECT position, '', 0, 'account', stream_id, version, event_id, 'account.deposited', 1, payload, '{}', tags, \
    recorded_at, slice \
    FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::bytea[], $5::text[], $6::bigint[], $7::int[], $8::bigint[]) \
    AS row (stream_id, version, event_id, payload, tags, recorded_at, slice, position)";

const TAG_HEAD: &str = "SELECT max(position) FROM tags WHERE tenant = '' AND tag = $1";

const TAG: &str = "INSERT INTO tags (tenant, tag, position, visibility) VALUES ('', $1, $2, 0)";

impl Postgres {
    pub(super) async fn open(url: &str, access: Access) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(url)?.disable_statement_logging();
        let mut first = options.connect().await?;
        sqlx::raw_sql(include_str!("sql/postgres.sql")).execute(&mut first).await?;
        first.close().await?;
        Ok(Self { connections: Connections::open(options, access).await? })
    }
}

#[async_trait]
impl Table for Postgres {
    async fn deposit(&self, deposit: &Deposit) -> Result<(), Error> {
        loop {
            let mut connection = self.connections.write().await?;
            let mut transaction = connection.begin().await?;
            let head: Option<i64> =
                sqlx::query_scalar(HEAD).bind(&deposit.account).fetch_one(&mut *transaction).await?;
            match insert_one(&mut transaction, &Row::new(deposit, head.unwrap_or(0) + 1)?).await {
                Ok(_) => return Ok(transaction.commit().await?),
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => transaction.rollback().await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn insert(&self, rows: &[Row]) -> Result<(), Error> {
        let placed = rows.first().is_some_and(|row| row.position.is_some());
        let tagged = rows.first().is_some_and(|row| row.tag.is_some());
        let insert = match (placed, tagged) {
            (_, true) => INSERT_TAGGED,
            (true, false) => INSERT_PLACED,
            (false, false) => INSERT_MANY,
        };
        let mut insert = sqlx::query(insert)
            .bind(rows.iter().map(|row| row.stream.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.version).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.payload.as_bytes()).collect::<Vec<_>>())
            .bind(rows.iter().map(Row::tags).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.recorded_at).collect::<Vec<_>>())
            .bind(rows.iter().map(Row::slice).collect::<Vec<_>>());
        if placed {
            insert = insert.bind(rows.iter().map(|row| row.position).collect::<Vec<_>>());
        }
        if tagged {
            insert = insert.bind(rows.iter().map(|row| row.tag.as_deref()).collect::<Vec<_>>());
        }
        insert.execute(&mut *self.connections.write().await?).await?;
        Ok(())
    }

    async fn insert_if(&self, row: &Row, boundary: &str, after: Option<i64>) -> Result<Option<i64>, Error> {
        let mut connection = self.connections.write().await?;
        let mut transaction = connection.begin().await?;
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        sqlx::query(lock).bind(boundary).execute(&mut *transaction).await?;
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
        let page = "SELECT position, payload FROM events WHERE position > $1 ORDER BY position LIMIT 512";
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
async fn insert_one(connection: &mut PgConnection, row: &Row) -> Result<i64, sqlx::Error> {
    let insert = sqlx::query_scalar(INSERT).bind(&row.stream).bind(row.version).bind(row.id);
    let insert = insert.bind(row.payload.as_bytes()).bind(row.tags()).bind(row.recorded_at).bind(row.slice());
    insert.fetch_one(connection).await
}

async fn fold_rows(connection: &mut PgConnection, part: Part<'_>) -> Result<Totals, Error> {
    let mut rows = match part {
        Part::Stream(stream) => {
            let select = "SELECT payload FROM events \
                WHERE tenant = '' AND category = 'account' AND stream_id = $1 ORDER BY version";
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

async fn fold_pages(connection: &mut PgConnection, part: Part<'_>) -> Result<Totals, Error> {
    let mut totals = Totals::default();
    let mut after = 0_i64;
    loop {
        let page = match part {
            Part::Stream(stream) => {
                let select = "SELECT string_agg(payload, '\\x0a'::bytea), max(version), count(*) FROM (\
                    SELECT payload, version FROM events \
                    WHERE tenant = '' AND category = 'account' AND version > $1 AND stream_id = $3 \
                    ORDER BY version LIMIT $2) AS page";
                sqlx::query(select).bind(after).bind(PAGE).bind(stream)
            }
            Part::All => sqlx::query(
                "SELECT string_agg(payload, '\\x0a'::bytea), max(position), count(*) FROM (\
                 SELECT payload, position FROM events WHERE position > $1 ORDER BY position LIMIT $2) AS page",
            )
            .bind(after)
            .bind(PAGE),
        };
        let page = page.fetch_one(&mut *connection).await?;
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
