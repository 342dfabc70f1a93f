//! A transaction on PostgreSQL, for the framework's records and a handler's own rows.

use std::ops::{Deref, DerefMut};

use async_trait::async_trait;
use sqlx::{PgConnection, Postgres, Transaction};

use crate::store::error::BoxError;
use crate::store::sql::{Row, Session, SqlTransaction, Statement, Statements};

use super::dialect::DIALECT;

/// A transaction of a [`super::PostgresStore`]. It dereferences to its connection, so that a handler's own rows commit
/// together with the framework's:
///
/// ```
/// use annals::store::PostgresTransaction;
///
/// async fn count(tx: &mut PostgresTransaction, order: &str) -> Result<(), sqlx::Error> {
///     sqlx::query("UPDATE order_counts SET n = n + 1 WHERE id = $1").bind(order).execute(&mut **tx).await?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct PostgresTransaction {
    inner: Transaction<'static, Postgres>,
    marked: bool,
}

impl PostgresTransaction {
    pub(super) fn new(inner: Transaction<'static, Postgres>) -> Self {
        Self { inner, marked: false }
    }
}

impl Deref for PostgresTransaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.inner
    }
}

impl DerefMut for PostgresTransaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
}

#[async_trait]
impl Session for PostgresTransaction {
    async fn execute(&mut self, statement: Statement) -> Result<u64, BoxError> {
        Session::execute(&mut *self.inner, statement).await
    }

    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, BoxError> {
        Session::fetch(&mut *self.inner, statement).await
    }

    async fn control(&mut self, text: &'static str) -> Result<(), BoxError> {
        self.inner.control(text).await
    }
}

#[async_trait]
impl SqlTransaction for PostgresTransaction {
    fn statements(&self) -> &'static Statements {
        &DIALECT.statements
    }

    fn marked(&mut self) -> &mut bool {
        &mut self.marked
    }

    async fn finish(self) -> Result<(), BoxError> {
        Ok(self.inner.commit().await?)
    }
}
