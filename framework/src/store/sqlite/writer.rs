//! The one connection that writes, handed from user to user in the order in which they ask.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::sqlite::{SqliteConnectOptions, SqliteTransactionManager};
use sqlx::{ConnectOptions, Connection, SqlSafeStr, SqliteConnection};
use sqlx_core::transaction::TransactionManager;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};

use crate::store::error::BoxError;

use super::errors::{SQLITE_ERROR, code};

/// SQLite has one writer at a time, so there is one connection for writing. It goes to whoever waits longest; nobody
/// starves, as they would in SQLite's own busy loop.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    /// `None` once the store is closed.
    connection: Arc<Mutex<Option<SqliteConnection>>>,
    /// Whether a transaction was begun behind sqlx's back, and not ended.
    left_open: Arc<AtomicBool>,
    options: SqliteConnectOptions,
}

impl Writer {
    /// A writer on `connection`; `options` serve to make another one if it breaks.
    pub(super) fn new(connection: SqliteConnection, options: SqliteConnectOptions) -> Self {
        Self { connection: Arc::new(Mutex::new(Some(connection))), left_open: Arc::default(), options }
    }

    /// Begins a transaction that may write.
    pub(super) async fn begin(&self) -> Result<WriteTransaction, BoxError> {
        let Lent { mut connection, .. } = self.lend().await?;
        SqliteTransactionManager::begin(&mut connection, Some("BEGIN IMMEDIATE".into_sql_str())).await?;
        Ok(WriteTransaction { connection, open: true })
    }

    /// Lends the connection, without a transaction.
    pub(super) async fn lend(&self) -> Result<Lent, BoxError> {
        let lock = Arc::clone(&self.connection).lock_owned().await;
        let mut connection = OwnedMutexGuard::try_map(lock, Option::as_mut).map_err(|_| "the store is closed")?;
        if let Err(error) = end_transactions(&mut connection, &self.left_open).await {
            tracing::warn!(%error, "the writing connection is broken and is made anew");
            *connection = self.options.connect().await?;
            self.left_open.store(false, Ordering::Relaxed);
        }
        Ok(Lent { connection, left_open: Arc::clone(&self.left_open) })
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

/// Ends what an earlier user left open.
///
/// # Errors
/// The connection is of no further use: its thread is gone, or SQLite has ended a transaction by itself, as it does
/// after some errors of the disk, so that sqlx waits in vain for its end.
async fn end_transactions(connection: &mut SqliteConnection, left_open: &AtomicBool) -> Result<(), sqlx::Error> {
    // Going through sqlx's manager keeps its count of nested transactions right: a handler may open one of its own.
    while SqliteTransactionManager::get_transaction_depth(connection) > 0 {
        SqliteTransactionManager::rollback(connection).await?;
    }
    if left_open.load(Ordering::Relaxed) {
        match sqlx::query("ROLLBACK").execute(connection).await {
            // SQLite has ended it by itself.
            Err(error) if code(&error) == Some(SQLITE_ERROR) => {}
            other => {
                other?;
            }
        }
        left_open.store(false, Ordering::Relaxed);
    }
    Ok(())
}

/// The writing connection, lent to one user, who says when there is a transaction to be ended for it.
#[derive(Debug)]
pub(super) struct Lent {
    connection: Connected,
    left_open: Arc<AtomicBool>,
}

type Connected = OwnedMappedMutexGuard<Option<SqliteConnection>, SqliteConnection>;

impl Lent {
    /// A transaction is begun now by a statement of the user's own.
    pub(super) fn leave_open(&self) {
        self.left_open.store(true, Ordering::Relaxed);
    }

    /// The user has ended the transaction.
    pub(super) fn is_clean(&self) {
        self.left_open.store(false, Ordering::Relaxed);
    }

    /// Rolls back what was left open. Where this is never called, the next user does it.
    pub(super) async fn roll_back(mut self) {
        if let Err(error) = end_transactions(&mut self.connection, &self.left_open).await {
            tracing::warn!(%error, "a transaction could not be rolled back");
        }
    }
}

impl Deref for Lent {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

/// A transaction on the writing connection. Dropping it, also half-way through a statement, rolls it back before anyone
/// else uses the connection.
#[derive(Debug)]
pub(super) struct WriteTransaction {
    connection: Connected,
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
