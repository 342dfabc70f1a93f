//! A transaction on SQLite, for the framework's records and a handler's own rows.

use std::ops::{Deref, DerefMut};

use async_trait::async_trait;
use sqlx::SqliteConnection;

use crate::store::error::BoxError;
use crate::store::sql::{Row, Session, SqlTransaction, Statement, Statements};

use super::dialect::DIALECT;
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
    inner: WriteTransaction,
    marked: bool,
    maintains: bool,
}

impl SqliteTransaction {
    pub(super) fn new(inner: WriteTransaction) -> Self {
        Self { inner, marked: false, maintains: false }
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
        &self.inner
    }
}

impl DerefMut for SqliteTransaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.inner
    }
}

#[async_trait]
impl Session for SqliteTransaction {
    async fn execute(&mut self, statement: Statement) -> Result<u64, BoxError> {
        self.inner.execute(statement).await
    }

    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, BoxError> {
        self.inner.fetch(statement).await
    }

    async fn control(&mut self, text: &'static str) -> Result<(), BoxError> {
        self.inner.control(text).await
    }
}

#[async_trait]
impl SqlTransaction for SqliteTransaction {
    fn statements(&self) -> &'static Statements {
        &DIALECT.statements
    }

    fn marked(&mut self) -> &mut bool {
        &mut self.marked
    }

    async fn finish(mut self) -> Result<(), BoxError> {
        if self.maintains {
            self.control("DELETE FROM annals_maintenance").await?;
        }
        Ok(self.inner.commit().await?)
    }
}
