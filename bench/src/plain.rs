//! The same work in plain SQL: one transaction for each command, with a SELECT and an INSERT.
//!
//! Written as one would write it by hand for speed: prepared statements, a pool that does not test its connections, the
//! write lock taken at the start (`BEGIN IMMEDIATE`), so that no transaction fails half-way. It does less than Annals: it
//! records no command ids and folds no state.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use uuid::Uuid;

use crate::Error;
use crate::measure::Subject;
use crate::workload::Deposit;

/// How the table calls this subject.
pub(crate) const NAME: &str = "plain sqlx";

/// A pool on a database with nothing but events.
#[derive(Debug)]
pub(crate) struct Plain {
    pool: SqlitePool,
}

impl Plain {
    /// Makes the database `file`, with `connections` of them.
    pub(crate) async fn open(file: &Path, connections: u32) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(60));
        let pool = SqlitePoolOptions::new()
            .min_connections(connections)
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(60))
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        sqlx::raw_sql(include_str!("sql/schema.sql")).execute(&pool).await?;
        Ok(Self { pool })
    }
}

const HEAD: &str = "SELECT max(version) FROM events WHERE tenant = '' AND category = 'account' AND stream = ?";

const INSERT: &str = "INSERT INTO events \
    (tenant, category, stream, version, id, name, revision, payload, metadata, tags, slice, recorded_at) \
    VALUES ('', 'account', ?, ?, ?, 'account.deposited', 1, ?, '{}', '[]', ?, ?)";

impl Subject for Plain {
    async fn deposit(&self, deposit: Deposit) -> Result<(), Error> {
        let payload = serde_json::to_string(&deposit)?;
        let recorded_at = Timestamp::now().as_microsecond();
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let head: Option<i64> = sqlx::query_scalar(HEAD).bind(&deposit.account).fetch_one(&mut *transaction).await?;
        sqlx::query(INSERT)
            .bind(&deposit.account)
            .bind(head.unwrap_or(0) + 1)
            .bind(fresh_id().as_slice())
            .bind(payload)
            .bind(slice(&deposit.account))
            .bind(recorded_at)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn finish(self) -> Result<u64, Error> {
        let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&self.pool).await?;
        self.pool.close().await;
        Ok(stored.try_into()?)
    }
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
