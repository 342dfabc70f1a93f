//! A transaction on PostgreSQL, for the framework's records and a handler's own rows.

use std::ops::{Deref, DerefMut};

use async_trait::async_trait;
use sqlx::{PgConnection, Postgres, Transaction};

use crate::store::error::BoxError;
use crate::store::records::ViewId;
use crate::store::sql::{Appending, Dialect, Ended, Failure, Row, Session, SqlTransaction, Statement, first};

use super::dialect::DIALECT;
use super::errors;

/// Marks a transaction that was joined. The mark is gone when the transaction is.
const MARK: &str = "SAVEPOINT annals_begin";

/// Fails unless the transaction is still the one that was joined.
const STILL_THERE: &str = "RELEASE SAVEPOINT annals_begin";

/// Takes the append lock until the transaction ends. A program that hangs does not hold it for ever, and what is
/// acknowledged is on the disk.
const LOCK: &str = "SELECT CASE WHEN current_setting('idle_in_transaction_session_timeout') = '0' \
    THEN set_config('idle_in_transaction_session_timeout', '30s', true) END, \
    CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END, \
    pg_advisory_xact_lock(?1)";

/// A running server, one of its databases, and the table of events that the search path leads to.
const PLACE: &str = "SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint, \
    (SELECT oid::bigint FROM pg_database WHERE datname = current_database()), to_regclass('annals_events')::oid::bigint, \
    format('of the database `%s` with the schema `%s`', current_database(), coalesce(current_schema(), '(none)')), \
    current_setting('transaction_isolation')";

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
    appending: Appending,
    append_lock: i64,
    marked: bool,
    /// Whether a caller began it, and the mark of that is still there.
    joined: bool,
}

/// Where a connection leads.
#[derive(Debug)]
pub(super) struct Place {
    key: (i64, i64, Option<i64>),
    pub(super) shown: String,
    pub(super) isolation: String,
}

impl Place {
    /// Asks for it.
    pub(super) fn question() -> Statement {
        Statement::new(PLACE)
    }

    pub(super) fn read(answer: Vec<Row>) -> Result<Self, BoxError> {
        let place = first(answer, |mut row| {
            let key = (row.integer("server")?, row.integer("database")?, row.optional_integer("events")?);
            Ok(Self { key, shown: row.text("place")?, isolation: row.text("isolation")? })
        })?;
        place.ok_or_else(|| "the server did not tell where it is".into())
    }

    /// Whether both lead to the same table of events.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.key == other.key && self.key.2.is_some()
    }
}

impl PostgresTransaction {
    pub(super) fn new(inner: Transaction<'static, Postgres>, appending: Appending, append_lock: i64) -> Self {
        Self { inner, appending, append_lock, marked: false, joined: false }
    }

    /// Marks it as a caller's.
    pub(super) async fn mark_joined(mut self) -> Result<Self, BoxError> {
        self.control(MARK).await?;
        Ok(Self { joined: true, ..self })
    }

    /// Fails if a transaction that was joined has ended.
    async fn is_open(&mut self) -> Result<(), BoxError> {
        if !std::mem::take(&mut self.joined) {
            return Ok(());
        }
        self.control(STILL_THERE).await.map_err(|error| match error.downcast_ref() {
            Some(database) if errors::is_of_no_transaction(database) => Ended(error).into(),
            _ => error,
        })
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
        self.is_open().await?;
        let lock = Statement::new(LOCK).bind(self.append_lock);
        self.fetch(lock).await.map(|_| ())
    }

    async fn put_documents(&mut self, view: &ViewId, bodies: &[(&str, Option<&[u8]>)]) -> Result<(), BoxError> {
        let (keys, bodies): (Vec<&str>, Vec<Option<&[u8]>>) = bodies.iter().copied().unzip();
        let put = sqlx::query(self.statements().write_documents);
        let put = put.bind(&view.tenant).bind(&view.name).bind(i64::from(view.version));
        put.bind(keys).bind(bodies).execute(&mut *self.inner).await?;
        Ok(())
    }

    fn failure(error: BoxError) -> Failure {
        errors::of_statement(error)
    }

    async fn finish(mut self) -> Result<(), Failure> {
        self.is_open().await.map_err(errors::of_statement)?;
        self.inner.commit().await.map_err(|error| errors::of_commit(error.into()))
    }

    async fn undo(self) -> Result<(), BoxError> {
        Ok(self.inner.rollback().await?)
    }
}
