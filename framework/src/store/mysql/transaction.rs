//! A transaction on MySQL or MariaDB, for the framework's records and a handler's own rows.

use std::ops::{Deref, DerefMut};

use async_trait::async_trait;
use sqlx::mysql::MySqlTransactionManager;
use sqlx::pool::PoolConnection;
use sqlx::{MySql, MySqlConnection, MySqlPool, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;

use crate::store::error::BoxError;
use crate::store::exchange::StoredEvent;
use crate::store::plan::{Facts, Questions};
use crate::store::sql::{Deleted, Dialect, Row, Session, SqlTransaction, Statement, Statements};

use super::append;
use super::dialect::DIALECT;
use super::errors;
use super::session::{PATIENCE, within};

/// Begins a transaction with a mark that is gone if the server ends it before its time: after a deadlock, or where a
/// statement commits by itself.
const BEGIN: &str = "START TRANSACTION; SAVEPOINT annals_begin";

/// Fails unless the transaction is still the one that was begun.
const STILL_THERE: &str = "RELEASE SAVEPOINT annals_begin";

/// What follows an end before its time must not be committed statement by statement.
pub(super) const NO_AUTOCOMMIT: &str = "SET SESSION autocommit = 0";

/// Lets events change and go on this connection, and holds the append lock. `changes` tells writers that what they
/// remember of streams may no longer hold.
const MAINTAIN: &str = "SET @annals_maintenance = 1; UPDATE annals_lock SET changes = changes + 1 WHERE id = 1";

/// A transaction of a [`super::MySqlStore`]. It dereferences to its connection, so that a handler's own rows commit
/// together with the framework's:
///
/// ```
/// use annals::store::{MySqlTransaction, StoreError};
///
/// async fn count(tx: &mut MySqlTransaction, order: &str) -> Result<(), sqlx::Error> {
///     sqlx::query("UPDATE order_counts SET n = n + 1 WHERE id = ?").bind(order).execute(&mut **tx).await?;
///     Ok(())
/// }
/// ```
///
/// It reads committed rows (`READ COMMITTED`), so a row that is read, decided on and written must be locked by reading it
/// with `FOR UPDATE`. Statements that commit by themselves, such as `CREATE TABLE`, do not belong into a handler: what went
/// before them is then committed without the token, and the transaction fails.
#[derive(Debug)]
pub struct MySqlTransaction {
    connection: Connection,
    marked: bool,
    open: bool,
}

#[derive(Debug)]
enum Connection {
    Lent(PoolConnection<MySql>),
    /// It ends with the transaction, and what is set on it as well.
    Own(Box<MySqlConnection>),
}

impl MySqlTransaction {
    /// Begins a transaction on a connection of `pool`, whose broken ones are passed over.
    pub(super) async fn begin(pool: &MySqlPool) -> Result<Self, BoxError> {
        let mut tries = pool.options().get_max_connections();
        loop {
            let mut connection = pool.acquire().await?;
            match begin(&mut connection).await {
                Ok(()) => return Ok(Self { connection: Connection::Lent(connection), marked: false, open: true }),
                Err(error) => {
                    connection.close_on_drop();
                    if tries == 0 || !errors::is_broken(&error) {
                        return Err(error);
                    }
                    tries -= 1;
                }
            }
        }
    }

    /// Begins a transaction on `connection` that holds the append lock, and in which events may change and go.
    pub(super) async fn maintain(mut connection: MySqlConnection) -> Result<Self, BoxError> {
        connection.control(NO_AUTOCOMMIT).await?;
        begin(&mut connection).await?;
        connection.control(MAINTAIN).await?;
        Ok(Self { connection: Connection::Own(Box::new(connection)), marked: false, open: true })
    }
}

async fn begin(connection: &mut MySqlConnection) -> Result<(), BoxError> {
    within(PATIENCE, MySqlTransactionManager::begin(connection, Some(BEGIN.into_sql_str()))).await
}

impl Deref for MySqlTransaction {
    type Target = MySqlConnection;

    fn deref(&self) -> &MySqlConnection {
        match &self.connection {
            Connection::Lent(connection) => connection,
            Connection::Own(connection) => connection,
        }
    }
}

impl DerefMut for MySqlTransaction {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        match &mut self.connection {
            Connection::Lent(connection) => connection,
            Connection::Own(connection) => connection,
        }
    }
}

impl Drop for MySqlTransaction {
    /// The server rolls back what a connection leaves open. The driver cannot tell a connection that was dropped half-way
    /// through a statement from a good one, so none is used again.
    fn drop(&mut self) {
        if let (true, Connection::Lent(connection)) = (self.open, &mut self.connection) {
            connection.close_on_drop();
        }
    }
}

#[async_trait]
impl Session for MySqlTransaction {
    async fn execute(&mut self, statement: Statement) -> Result<u64, BoxError> {
        (**self).execute(statement).await
    }

    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, BoxError> {
        (**self).fetch(statement).await
    }

    async fn control(&mut self, text: &'static str) -> Result<(), BoxError> {
        (**self).control(text).await
    }
}

#[async_trait]
impl SqlTransaction for MySqlTransaction {
    fn statements(&self) -> &'static Statements {
        &DIALECT.statements
    }

    fn marked(&mut self) -> &mut bool {
        &mut self.marked
    }

    async fn finish(mut self) -> Result<(), BoxError> {
        let connection: &mut MySqlConnection = &mut self;
        // A handler may have left transactions of its own open inside this one.
        while MySqlTransactionManager::get_transaction_depth(connection) > 1 {
            within(PATIENCE, MySqlTransactionManager::commit(connection)).await?;
        }
        connection.control(STILL_THERE).await?;
        within(PATIENCE, MySqlTransactionManager::commit(connection)).await?;
        self.open = false;
        Ok(())
    }

    async fn facts(&mut self, _: &'static Dialect, questions: Questions<'_>) -> Result<Facts, BoxError> {
        append::facts(self, questions).await
    }

    async fn write_import(&mut self, fresh: &[&StoredEvent], deleted: &Deleted) -> Result<(), BoxError> {
        append::import(self, fresh, deleted).await
    }
}
