//! The one connection that writes, handed from user to user in the order in which they ask.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::sqlite::{SqliteConnectOptions, SqliteTransactionManager};
use sqlx::{ConnectOptions, Connection, SqlSafeStr, SqliteConnection};
use sqlx_core::transaction::TransactionManager;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};

use crate::store::error::BoxError;

/// SQLite has one writer at a time, so there is one connection for writing. It goes to whoever waits longest; nobody
/// starves, as they would in SQLite's own busy loop.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    /// `None` once the store is closed.
    connection: Arc<Mutex<Option<SqliteConnection>>>,
    options: SqliteConnectOptions,
}

impl Writer {
    /// A writer on `connection`; `options` serve to make another one if it breaks.
    pub(super) fn new(connection: SqliteConnection, options: SqliteConnectOptions) -> Self {
        Self { connection: Arc::new(Mutex::new(Some(connection))), options }
    }

    /// Begins a transaction that may write.
    pub(super) async fn begin(&self) -> Result<WriteTransaction, BoxError> {
        let lock = Arc::clone(&self.connection).lock_owned().await;
        let mut connection = OwnedMutexGuard::try_map(lock, Option::as_mut).map_err(|_| "the store is closed")?;
        if let Err(error) = begin_anew(&mut connection).await {
            if !is_broken(&connection, &error) {
                return Err(error.into());
            }
            tracing::warn!(%error, "the writing connection is broken and is made anew");
            *connection = self.options.connect().await?;
            begin_anew(&mut connection).await?;
        }
        Ok(WriteTransaction { connection, open: true })
    }

    /// Closes the connection when nobody uses it any more.
    pub(super) async fn close(&self) {
        let connection = self.connection.lock().await.take();
        if let Some(connection) = connection
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the database connection ended badly");
        }
    }
}

/// Begins a transaction after ending what an earlier user left open.
async fn begin_anew(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    // Going through sqlx's manager keeps its count of nested transactions right: a handler may open one of its own.
    while SqliteTransactionManager::get_transaction_depth(connection) > 0 {
        SqliteTransactionManager::rollback(connection).await?;
    }
    SqliteTransactionManager::begin(connection, Some("BEGIN IMMEDIATE".into_sql_str())).await
}

/// Whether the connection is of no further use: its thread is gone, or SQLite has ended a transaction by itself, as it
/// does after some errors of the disk, so that sqlx waits in vain for its end.
fn is_broken(connection: &SqliteConnection, error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::WorkerCrashed) || SqliteTransactionManager::get_transaction_depth(connection) > 0
}

/// A transaction on the writing connection. Dropping it, also half-way through a statement, rolls it back before anyone
/// else uses the connection.
#[derive(Debug)]
pub(super) struct WriteTransaction {
    connection: OwnedMappedMutexGuard<Option<SqliteConnection>, SqliteConnection>,
    open: bool,
}

impl WriteTransaction {
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        SqliteTransactionManager::commit(&mut self.connection).await?;
        self.open = false;
        Ok(())
    }
}

impl Drop for WriteTransaction {
    fn drop(&mut self) {
        if self.open {
            for _ in 0..SqliteTransactionManager::get_transaction_depth(&self.connection) {
                SqliteTransactionManager::start_rollback(&mut self.connection);
            }
        }
    }
}

impl Deref for WriteTransaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for WriteTransaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}
