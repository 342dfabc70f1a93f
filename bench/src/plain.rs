//! The same work in plain SQL: one transaction for each command, with a SELECT and an INSERT.
//!
//! Written as one would write it by hand for speed: prepared statements, connections that are not tested before use, the
//! write lock taken at the start (`BEGIN IMMEDIATE`), so that no transaction fails half-way, and the settings that the
//! SQLite store of Annals uses. SQLite has one writer at a time, so few connections do best: a trial finds out how many.
//! It does less than Annals: it records no command ids and folds no state.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::Error;
use crate::measure::Subject;
use crate::workload::Deposit;

/// How the table calls this subject.
pub(crate) const NAME: &str = "plain sqlx";

/// How the clients come to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// They share one connection under a lock, without a pool.
    Shared,
    /// They take one from a pool of this size.
    Pool(u32),
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared => write!(f, "one shared connection"),
            Self::Pool(size) => write!(f, "a pool of {size}"),
        }
    }
}

/// A database with nothing but events.
#[derive(Debug)]
pub(crate) enum Plain {
    /// See [`Access::Shared`].
    Shared(Box<Mutex<SqliteConnection>>),
    /// See [`Access::Pool`].
    Pool(SqlitePool),
}

impl Plain {
    /// Makes the database `file`.
    pub(crate) async fn open(file: &Path, access: Access) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(60))
            .pragma("wal_autocheckpoint", "8192")
            .pragma("cache_size", "-16384")
            .disable_statement_logging();
        let mut first = options.connect().await?;
        sqlx::raw_sql(include_str!("sql/schema.sql")).execute(&mut first).await?;
        match access {
            Access::Shared => Ok(Self::Shared(Box::new(Mutex::new(first)))),
            Access::Pool(size) => {
                first.close().await?;
                Ok(Self::Pool(pool(options, size).await?))
            }
        }
    }
}

async fn pool(options: SqliteConnectOptions, size: u32) -> Result<SqlitePool, sqlx::Error> {
    SqlitePoolOptions::new()
        .min_connections(size)
        .max_connections(size)
        .acquire_timeout(Duration::from_secs(60))
        .test_before_acquire(false)
        .connect_with(options)
        .await
}

const HEAD: &str = "SELECT max(version) FROM events WHERE tenant = '' AND category = 'account' AND stream_id = ?";

const INSERT: &str = "INSERT INTO events \
    (tenant, category, stream_id, version, event_id, name, revision, payload, metadata, tags, recorded_at, slice) \
    VALUES ('', 'account', ?, ?, ?, 'account.deposited', 1, ?, '{}', '[]', ?, ?)";

impl Subject for Plain {
    async fn deposit(&self, deposit: Deposit) -> Result<(), Error> {
        let payload = serde_json::to_string(&deposit)?;
        match self {
            Self::Shared(connection) => append(&mut *connection.lock().await, &deposit.account, &payload).await?,
            Self::Pool(pool) => append(&mut *pool.acquire().await?, &deposit.account, &payload).await?,
        }
        Ok(())
    }

    async fn finish(self) -> Result<u64, Error> {
        let count = sqlx::query_scalar("SELECT count(*) FROM events");
        let stored: i64 = match self {
            Self::Shared(connection) => {
                let mut connection = connection.into_inner();
                let stored = count.fetch_one(&mut connection).await?;
                connection.close().await?;
                stored
            }
            Self::Pool(pool) => {
                let stored = count.fetch_one(&pool).await?;
                pool.close().await;
                stored
            }
        };
        Ok(stored.try_into()?)
    }
}

async fn append(connection: &mut SqliteConnection, account: &str, payload: &str) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let head: Option<i64> = sqlx::query_scalar(HEAD).bind(account).fetch_one(&mut *transaction).await?;
    sqlx::query(INSERT)
        .bind(account)
        .bind(head.unwrap_or(0) + 1)
        .bind(fresh_id().as_slice())
        .bind(payload)
        .bind(Timestamp::now().as_microsecond())
        .bind(slice(account))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

#[expect(clippy::disallowed_methods, reason = "plain SQL does without the framework's ids")]
fn fresh_id() -> [u8; 16] {
    Uuid::now_v7().into_bytes()
}

/// One of 1,024 slices by the stream's id.
fn slice(stream: &str) -> i64 {
    let hash = stream
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 32) as i64 & 1023
}
