//! A transaction on SQLite, for the framework's records and a handler's own rows.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use async_trait::async_trait;
use sqlx::{Sqlite, SqliteConnection, Transaction};

use crate::store::error::BoxError;
use crate::store::sql::{Appending, Dialect, Ended, Failure, Row, Session, SqlTransaction, Statement};

use super::dialect::DIALECT;
use super::errors::{self, Busy, SQLITE_ERROR, code};
use super::writer::WriteTransaction;

/// A transaction of a [`super::SqliteStore`]. It dereferences to its connection, so that a handler's own rows commit
/// together with the framework's:
///
/// ```
/// use annals::store::{SqliteTransaction, StoreError};
///
/// async fn count(tx: &mut SqliteTransaction, order: &str) -> Result<(), sqlx::Error> {
///     sqlx::query("UPDATE order_counts SET n = n + 1 WHERE id = ?").bind(order).execute(&mut **tx).await?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct SqliteTransaction {
    inner: Inner,
    appending: Appending,
    marked: bool,
    maintains: bool,
}

#[derive(Debug)]
enum Inner {
    Own(WriteTransaction),
    /// A caller's, which may have no right to write yet.
    Joined(Transaction<'static, Sqlite>),
}

impl SqliteTransaction {
    pub(super) fn new(inner: WriteTransaction, appending: Appending) -> Self {
        Self { inner: Inner::Own(inner), appending, marked: false, maintains: false }
    }

    pub(super) fn joined(inner: Transaction<'static, Sqlite>, appending: Appending) -> Self {
        Self { inner: Inner::Joined(inner), appending, marked: false, maintains: false }
    }

    /// Lets events change and go until the transaction ends.
    pub(super) async fn maintain(&mut self) -> Result<(), BoxError> {
        self.control("INSERT INTO annals_maintenance (active) VALUES (1)").await?;
        self.maintains = true;
        Ok(())
    }
}

impl Deref for SqliteTransaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        match &self.inner {
            Inner::Own(inner) => inner,
            Inner::Joined(inner) => inner,
        }
    }
}

impl DerefMut for SqliteTransaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        match &mut self.inner {
            Inner::Own(inner) => inner,
            Inner::Joined(inner) => inner,
        }
    }
}

#[async_trait]
impl Session for SqliteTransaction {
    async fn execute(&mut self, statement: Statement) -> Result<u64, BoxError> {
        Session::execute(&mut **self, statement).await
    }

    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, BoxError> {
        Session::fetch(&mut **self, statement).await
    }

    async fn control(&mut self, text: &'static str) -> Result<(), BoxError> {
        (**self).control(text).await
    }
}

#[async_trait]
impl SqlTransaction for SqliteTransaction {
    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }

    fn appending(&self) -> &Appending {
        &self.appending
    }

    fn marked(&mut self) -> &mut bool {
        &mut self.marked
    }

    async fn lock_appends(&mut self) -> Result<(), BoxError> {
        if let Inner::Joined(connection) = &mut self.inner {
            is_open(connection).await?;
            // A statement that may write takes the right to it, also where it finds nothing to do.
            connection.control("DELETE FROM annals_maintenance WHERE active < 0").await.map_err(Busy::explained)?;
        }
        Ok(())
    }

    fn failure(error: BoxError) -> Failure {
        errors::of_statement(error)
    }

    async fn finish(mut self) -> Result<(), Failure> {
        if self.maintains {
            self.control("DELETE FROM annals_maintenance").await.map_err(errors::of_statement)?;
        }
        let committed = match self.inner {
            Inner::Own(inner) => inner.commit().await,
            Inner::Joined(inner) => inner.commit().await,
        };
        committed.map_err(errors::of_commit)
    }

    async fn undo(self) -> Result<(), BoxError> {
        match self.inner {
            // It is rolled back before anyone else uses the connection.
            Inner::Own(inner) => drop(inner),
            Inner::Joined(inner) => inner.rollback().await?,
        }
        Ok(())
    }
}

/// Fails unless a transaction is open: SQLite ends one by itself after some errors of the disk, and each statement behind
/// it would commit. A second one cannot be begun inside the first.
async fn is_open(connection: &mut SqliteConnection) -> Result<(), BoxError> {
    match connection.control("BEGIN").await {
        Ok(()) => {
            connection.control("ROLLBACK").await?;
            Err(Ended("SQLite could begin another one".into()).into())
        }
        Err(error) if error.downcast_ref().and_then(code) == Some(SQLITE_ERROR) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The file of the main database behind `connection`; `None` for one that lies in no file.
pub(super) async fn file_of(connection: &mut SqliteConnection) -> Result<Option<PathBuf>, BoxError> {
    let databases = connection.fetch(Statement::new("PRAGMA database_list")).await?;
    for mut row in databases {
        let (_, name, file) = (row.integer("seq")?, row.text("name")?, row.text("file")?);
        if name == "main" {
            return Ok((!file.is_empty()).then(|| file.into()));
        }
    }
    Ok(None)
}
