//! The store's abilities beside the events.

use std::any::TypeId;

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqliteConnection};

use crate::handler::Resources;
use crate::message::{Position, StreamId, Timestamp};
use crate::store::Store;
use crate::store::error::{BoxError, ClaimError, StoreError};
use crate::store::records::{Claim, DeadLetter, Document, Effect, Snapshot, Timer, ViewId};
use crate::store::transaction::StoreTransaction;

use super::writer::WriteTransaction;
use super::{SqliteStore, SqliteTransaction, open, rows};

type Query<'q> = sqlx::query::Query<'q, Sqlite, sqlx::sqlite::SqliteArguments>;

impl SqliteStore {
    async fn all<T>(
        &self,
        query: Query<'_>,
        read: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = query.fetch_all(&self.readers).await.map_err(StoreError::unavailable)?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(StoreError::unavailable)
    }

    async fn one<T>(
        &self,
        query: Query<'_>,
        read: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
    ) -> Result<Option<T>, StoreError> {
        let row = query.fetch_optional(&self.readers).await.map_err(StoreError::unavailable)?;
        row.as_ref().map(read).transpose().map_err(StoreError::unavailable)
    }

    async fn begin_writing(&self) -> Result<WriteTransaction, StoreError> {
        self.writer.begin().await.map_err(StoreError::unavailable)
    }

    async fn bump_fence(&self, name: &str) -> Result<Claim, StoreError> {
        let mut transaction = self.begin_writing().await?;
        let row = sqlx::query(
            "INSERT INTO annals_tokens (processor, position, fence) VALUES (?1, 0, 1) \
             ON CONFLICT DO UPDATE SET fence = fence + 1 RETURNING position, fence",
        )
        .bind(name)
        .fetch_one(&mut *transaction)
        .await
        .map_err(StoreError::unavailable)?;
        transaction.commit().await.map_err(StoreError::unavailable)?;
        let (position, fence): (i64, i64) =
            (row.try_get(0).map_err(StoreError::unavailable)?, row.try_get(1).map_err(StoreError::unavailable)?);
        Ok(Claim { processor: name.to_owned(), fence: fence.unsigned_abs(), position: rows::position(position) })
    }
}

/// Documents of `view` under `keys`; also for transactions, which see their own writes.
pub(super) fn documents<'q>(view: &'q ViewId, keys: &[String]) -> Result<Query<'q>, StoreError> {
    let keys = serde_json::to_string(keys).map_err(StoreError::unavailable)?;
    let sql = "SELECT key, revision, body FROM annals_documents \
               WHERE tenant = ?1 AND view = ?2 AND view_version = ?3 AND body IS NOT NULL \
               AND key IN (SELECT value FROM json_each(?4))";
    Ok(sqlx::query(sql).bind(&view.tenant).bind(&view.name).bind(view.version).bind(keys))
}

#[async_trait]
impl Store for SqliteStore {
    /// Begins a transaction on the one connection that writes. Until it ends, appends wait: do not await an append or
    /// a second transaction while holding one.
    async fn begin(&self) -> Result<Box<dyn StoreTransaction>, StoreError> {
        Ok(Box::new(SqliteTransaction::new(self.begin_writing().await?)))
    }

    /// Claims the processor `name`. All processors of a file run in the process that holds the operating-system lock
    /// on `<file>-annals.lock`; it is free again as soon as that process ends, however it ends.
    async fn claim(&self, name: &str) -> Result<Claim, ClaimError> {
        if let Some(claims) = &self.claims
            && !claims.take().map_err(StoreError::unavailable)?
        {
            let owner = format!("another process or store holds the lock on `{}`", claims.path().display());
            return Err(ClaimError::Held { processor: name.to_owned(), owner });
        }
        Ok(self.bump_fence(name).await?)
    }

    async fn token(&self, name: &str) -> Result<Option<Position>, StoreError> {
        let query = sqlx::query("SELECT position FROM annals_tokens WHERE processor = ?1").bind(name);
        self.one(query, |row| Ok(rows::position(row.try_get(0)?))).await
    }

    async fn snapshot(&self, tenant: &str, stream: &StreamId, schema: &str) -> Result<Option<Snapshot>, StoreError> {
        let sql = "SELECT version, position, schema, state FROM annals_snapshots \
                   WHERE tenant = ?1 AND category = ?2 AND stream_id = ?3 AND schema = ?4";
        let query = sqlx::query(sql).bind(tenant).bind(stream.category()).bind(stream.id()).bind(schema);
        Ok(self.one(query, rows::snapshot).await?.flatten())
    }

    async fn save_snapshot(&self, tenant: &str, stream: &StreamId, snapshot: Snapshot) -> Result<(), StoreError> {
        let mut transaction = self.begin_writing().await?;
        sqlx::query(
            "INSERT OR REPLACE INTO annals_snapshots (tenant, category, stream_id, schema, version, position, state) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .bind(tenant)
        .bind(stream.category())
        .bind(stream.id())
        .bind(snapshot.schema)
        .bind(rows::integer(snapshot.version.get()))
        .bind(rows::integer(snapshot.position.get()))
        .bind(snapshot.state)
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::unavailable)?;
        transaction.commit().await.map_err(StoreError::unavailable)
    }

    async fn documents(&self, view: &ViewId, keys: &[String]) -> Result<Vec<Document>, StoreError> {
        self.all(documents(view, keys)?, rows::document).await
    }

    async fn scan_documents(
        &self,
        view: &ViewId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        let sql = "SELECT key, revision, body FROM annals_documents \
                   WHERE tenant = ?1 AND view = ?2 AND view_version = ?3 AND (?4 IS NULL OR key > ?4) \
                   AND body IS NOT NULL ORDER BY key LIMIT ?5";
        let query = sqlx::query(sql).bind(&view.tenant).bind(&view.name).bind(view.version);
        self.all(query.bind(after).bind(rows::limit(limit)), rows::document).await
    }

    async fn due_effects(&self, saga: &str, now: Timestamp, limit: usize) -> Result<Vec<Effect>, StoreError> {
        let query = sqlx::query(include_str!("sql/due_effects.sql"));
        self.all(query.bind(saga).bind(now.as_micros()).bind(rows::limit(limit)), rows::effect).await
    }

    async fn next_effect(&self, saga: &str) -> Result<Option<Timestamp>, StoreError> {
        let query = sqlx::query(include_str!("sql/next_effect.sql")).bind(saga);
        let next = self.one(query, |row| row.try_get::<Option<i64>, _>(0)).await?;
        Ok(next.flatten().map(Timestamp::from_micros))
    }

    async fn open_effects(&self, saga: &str, limit: usize) -> Result<Vec<Effect>, StoreError> {
        let sql = "SELECT command_id, saga, saga_id, number, name, payload, metadata, step, attempts, not_before, \
                   parked FROM annals_effects WHERE saga = ?1 ORDER BY place LIMIT ?2";
        self.all(sqlx::query(sql).bind(saga).bind(rows::limit(limit)), rows::effect).await
    }

    async fn due_timers(&self, saga: &str, now: Timestamp, limit: usize) -> Result<Vec<Timer>, StoreError> {
        let sql = "SELECT saga, saga_id, name, due FROM annals_timers WHERE saga = ?1 AND due <= ?2 \
                   ORDER BY due, saga_id, name LIMIT ?3";
        self.all(sqlx::query(sql).bind(saga).bind(now.as_micros()).bind(rows::limit(limit)), rows::timer).await
    }

    async fn next_timer(&self, saga: &str) -> Result<Option<Timestamp>, StoreError> {
        let query = sqlx::query("SELECT min(due) FROM annals_timers WHERE saga = ?1").bind(saga);
        let next = self.one(query, |row| row.try_get::<Option<i64>, _>(0)).await?;
        Ok(next.flatten().map(Timestamp::from_micros))
    }

    async fn dead_letters(&self, processor: &str, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        let sql = "SELECT processor, sequence, position, attempts, retry_at, error, since FROM annals_dead_letters \
                   WHERE processor = ?1 ORDER BY position LIMIT ?2";
        self.all(sqlx::query(sql).bind(processor).bind(rows::limit(limit)), rows::letter).await
    }

    async fn forget_commands(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut transaction = self.begin_writing().await?;
        let connection: &mut SqliteConnection = &mut transaction;
        let forgotten = sqlx::query(
            "DELETE FROM annals_commands WHERE recorded_at < ?1 \
             AND command_id NOT IN (SELECT command_id FROM annals_effects)",
        )
        .bind(before.as_micros())
        .execute(connection)
        .await
        .map_err(StoreError::unavailable)?;
        transaction.commit().await.map_err(StoreError::unavailable)?;
        Ok(forgotten.rows_affected())
    }

    /// A [`sqlx::SqlitePool`] for handlers that read. Its connections refuse to write: a write beside the open
    /// transaction would wait for it, and the transaction for the handler.
    fn resources(&self) -> Resources {
        let mut resources = Resources::default();
        resources.insert(self.readers.clone());
        resources
    }

    fn transaction_type(&self) -> TypeId {
        TypeId::of::<SqliteTransaction>()
    }

    fn address(&self) -> String {
        if self.temporary.is_some() { "sqlite::memory:".to_owned() } else { open::address_of(&self.file) }
    }

    async fn close(&self) {
        self.batcher.close().await;
        self.readers.close().await;
        self.writer.close().await;
        if let Some(claims) = &self.claims {
            claims.release();
        }
        if let Some(temporary) = &self.temporary {
            temporary.remove();
        }
    }
}

/// Runs `query` and reads its rows.
pub(super) async fn fetch<T>(
    connection: &mut SqliteConnection,
    query: Query<'_>,
    read: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
) -> Result<Vec<T>, StoreError> {
    let rows = query.fetch_all(connection).await.map_err(StoreError::unavailable)?;
    rows.iter().map(read).collect::<Result<_, _>>().map_err(StoreError::unavailable)
}

/// Runs `query`; returns the number of rows that it changed.
pub(super) async fn execute(connection: &mut SqliteConnection, query: Query<'_>) -> Result<u64, StoreError> {
    Ok(query.execute(connection).await.map_err(StoreError::unavailable)?.rows_affected())
}

/// A JSON array for `json_each`.
pub(super) fn json(rows: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(rows).map_err(|error| StoreError::unavailable(BoxError::from(error)))
}
