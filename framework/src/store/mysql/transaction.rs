//! A transaction on MySQL or MariaDB, for the framework's records and a handler's own rows.

use std::ops::{Deref, DerefMut};

use async_trait::async_trait;
use sqlx::mysql::MySqlTransactionManager;
use sqlx::pool::PoolConnection;
use sqlx::{MySql, MySqlConnection, MySqlPool, SqlSafeStr, Transaction};
use sqlx_core::transaction::TransactionManager;

use crate::store::append::Append;
use crate::store::error::BoxError;
use crate::store::exchange::StoredEvent;
use crate::store::plan::{Facts, Plan, Questions};
use crate::store::sql::{Appending, Deleted, Dialect, Failure, Row, Session, SqlTransaction, Statement};

use super::append;
use super::dialect::DIALECT;
use super::errors;
use super::session::{PATIENCE, within};

/// Begins a transaction with a mark that is gone if the server ends it before its time: after a deadlock, or where a
/// statement commits by itself.
const BEGIN: &str = "START TRANSACTION; SAVEPOINT annals_begin";

/// Fails unless the transaction is still the one that was begun.
const STILL_THERE: &str = "RELEASE SAVEPOINT annals_begin";

/// Marks a transaction that somebody else has begun, in the same way. Fails outside of a transaction, where the mark is gone
/// at once.
const MARK_JOINED: &str = "SAVEPOINT annals_begin; RELEASE SAVEPOINT annals_begin; SAVEPOINT annals_begin";

/// Takes the append lock, unless the transaction has ended before its time.
const LOCK: &str = "RELEASE SAVEPOINT annals_begin; SAVEPOINT annals_begin; \
    SELECT changes FROM annals_lock WHERE id = 1 FOR UPDATE";

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
/// with `FOR UPDATE`. Statements that commit by themselves, such as `CREATE TABLE`, belong into a `#[setup]` and not into a
/// handler: what went before them is then committed without the token, and the transaction fails.
#[derive(Debug)]
pub struct MySqlTransaction {
    connection: Connection,
    appending: Appending,
    marked: bool,
    open: bool,
    /// Whether statements that commit by themselves are expected.
    makes_tables: bool,
}

#[derive(Debug)]
enum Connection {
    Lent(PoolConnection<MySql>),
    /// It ends with the transaction, and what is set on it as well.
    Own(Box<MySqlConnection>),
    /// A caller's.
    Joined(Transaction<'static, MySql>),
}

impl MySqlTransaction {
    /// Begins a transaction on a connection of `pool`, whose broken ones are passed over.
    pub(super) async fn begin(pool: &MySqlPool, appending: Appending) -> Result<Self, BoxError> {
        let mut tries = pool.options().get_max_connections();
        loop {
            let mut connection = pool.acquire().await?;
            match begin(&mut connection).await {
                Ok(()) => return Ok(Self::on(Connection::Lent(connection), appending)),
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
    pub(super) async fn maintain(mut connection: MySqlConnection, appending: Appending) -> Result<Self, BoxError> {
        connection.control(NO_AUTOCOMMIT).await?;
        begin(&mut connection).await?;
        connection.control(MAINTAIN).await?;
        Ok(Self::on(Connection::Own(Box::new(connection)), appending))
    }

    /// Goes on with a transaction that a caller has begun.
    pub(super) async fn join(
        mut transaction: Transaction<'static, MySql>,
        appending: Appending,
    ) -> Result<Self, BoxError> {
        transaction.control(MARK_JOINED).await.map_err(errors::of_joined)?;
        Ok(Self::on(Connection::Joined(transaction), appending))
    }

    fn on(connection: Connection, appending: Appending) -> Self {
        Self { connection, appending, marked: false, open: true, makes_tables: false }
    }

    /// Commits what a handler has left open inside, and sees to it that nothing was committed before its time.
    async fn close_inner(&mut self) -> Result<(), BoxError> {
        let makes_tables = self.makes_tables;
        let connection: &mut MySqlConnection = self;
        while MySqlTransactionManager::get_transaction_depth(connection) > 1 {
            within(PATIENCE, MySqlTransactionManager::commit(connection)).await?;
        }
        if makes_tables { Ok(()) } else { connection.control(STILL_THERE).await }
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
            Connection::Joined(transaction) => transaction,
        }
    }
}

impl DerefMut for MySqlTransaction {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        match &mut self.connection {
            Connection::Lent(connection) => connection,
            Connection::Own(connection) => connection,
            Connection::Joined(transaction) => transaction,
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
    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }

    fn appending(&self) -> &Appending {
        &self.appending
    }

    fn expect_tables(&mut self) {
        self.makes_tables = true;
    }

    fn marked(&mut self) -> &mut bool {
        &mut self.marked
    }

    async fn lock_appends(&mut self) -> Result<(), BoxError> {
        self.control(LOCK).await.map_err(errors::of_joined)
    }

    async fn prepare<'a>(&mut self, batch: &'a [Append]) -> Result<Plan<'a>, BoxError> {
        append::prepare(self, batch).await.map_err(errors::of_joined)
    }

    fn failure(error: BoxError) -> Failure {
        errors::of_statement(error)
    }

    async fn finish(mut self) -> Result<(), Failure> {
        self.close_inner().await.map_err(errors::of_statement)?;
        let commit = MySqlTransactionManager::commit(&mut self);
        within(PATIENCE, commit).await.map_err(errors::of_commit)?;
        self.open = false;
        Ok(())
    }

    async fn undo(mut self) -> Result<(), BoxError> {
        let connection: &mut MySqlConnection = &mut self;
        while MySqlTransactionManager::get_transaction_depth(connection) > 0 {
            within(PATIENCE, MySqlTransactionManager::rollback(connection)).await?;
        }
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
