//! The one connection on which appends are written.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::{Connection, PgConnection, SqlStr};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::store::error::BoxError;
use crate::store::postgres::connect::{Process, Purpose, connect, silent};
use crate::store::postgres::errors::{self, Meaning, boxed, may_pass};
use crate::store::sql::{AppendLock, Failure, Row, Session, Statement};

/// How long an append waits for a server that cannot be reached, or that does not answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Between two attempts to connect.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// A connection that is made again when it breaks.
///
/// Before it is used again, the server's process behind the old one is ended and waited for: nothing that was sent on
/// the old one takes effect afterwards.
#[derive(Debug, Clone)]
pub(in crate::store::postgres) struct Line {
    options: PgConnectOptions,
    /// The key of the store's append lock.
    lock: i64,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<PgConnection>,
    /// The server's process behind `connection`, or behind the one before.
    process: Option<Process>,
    closed: bool,
}

impl Line {
    pub(in crate::store::postgres) fn new(options: PgConnectOptions, lock: i64) -> Self {
        Self { options, lock, state: Arc::default() }
    }

    /// The key of the store's append lock.
    pub(super) fn append_lock(&self) -> i64 {
        self.lock
    }

    /// The connection, for one user at a time. It is connected until `deadline`.
    pub(super) async fn take(&self, deadline: Instant) -> Result<Taken, BoxError> {
        let mut state = Arc::clone(&self.state).lock_owned().await;
        while state.connection.is_none() {
            if state.closed {
                return Err("the store is closed".into());
            }
            match timeout_at(deadline, state.connect(&self.options)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) if may_pass(&error) && Instant::now() + PAUSE < deadline => sleep(PAUSE).await,
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err(silent("connect for appends").into()),
            }
        }
        Ok(Taken(state))
    }

    /// Closes the connection when nobody uses it any more.
    pub(in crate::store::postgres) async fn close(&self) {
        let mut state = self.state.lock().await;
        state.closed = true;
        if let Some(connection) = state.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "the connection for appends ended badly");
        }
    }
}

impl State {
    async fn connect(&mut self, options: &PgConnectOptions) -> Result<(), sqlx::Error> {
        let mut connection = connect(options, Purpose::Append).await?;
        if let Some(process) = &self.process {
            process.end(&mut connection).await?;
        }
        self.process = Some(Process::behind(&mut connection).await?);
        self.connection = Some(connection);
        Ok(())
    }
}

/// The connection, for whoever has taken it.
#[derive(Debug)]
pub(super) struct Taken(OwnedMutexGuard<State>);

impl Taken {
    /// Runs a statement and reads its first row. Without an answer in time the connection is dropped, as it is when this
    /// call is given up half-way.
    pub(super) async fn call(&mut self, text: SqlStr, values: PgArguments) -> Result<PgRow, BoxError> {
        let mut connection = self.0.connection.take().ok_or("the connection for appends is gone")?;
        let call = sqlx::query_with(text, values).fetch_one(&mut connection);
        let answer = timeout(PATIENCE, call).await.unwrap_or_else(|_| Err(silent("append")));
        self.used(connection, answer.map_err(BoxError::from))
    }

    /// Keeps the connection, unless the answer says that it is gone.
    fn used<T>(&mut self, connection: PgConnection, answer: Result<T, BoxError>) -> Result<T, BoxError> {
        if !matches!(&answer, Err(error) if boxed(error) == Meaning::Lost) {
            self.0.connection = Some(connection);
        }
        answer
    }
}

#[async_trait]
impl Session for Taken {
    async fn execute(&mut self, statement: Statement) -> Result<u64, BoxError> {
        let mut connection = self.0.connection.take().ok_or("the connection for appends is gone")?;
        let answer = timeout(PATIENCE, Session::execute(&mut connection, statement)).await;
        self.used(connection, answer.unwrap_or_else(|_| Err(silent("append").into())))
    }

    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, BoxError> {
        let mut connection = self.0.connection.take().ok_or("the connection for appends is gone")?;
        let answer = timeout(PATIENCE, Session::fetch(&mut connection, statement)).await;
        self.used(connection, answer.unwrap_or_else(|_| Err(silent("append").into())))
    }

    async fn control(&mut self, text: &'static str) -> Result<(), BoxError> {
        let mut connection = self.0.connection.take().ok_or("the connection for appends is gone")?;
        let answer = timeout(PATIENCE, connection.control(text)).await;
        self.used(connection, answer.unwrap_or_else(|_| Err(silent("append").into())))
    }
}

/// A transaction on the line that holds the append lock. Dropping it rolls it back.
#[derive(Debug)]
pub(in crate::store::postgres) struct Locked(Option<Taken>);

impl Locked {
    fn taken(&mut self) -> Result<&mut Taken, BoxError> {
        self.0.as_mut().ok_or_else(|| "the transaction has ended".into())
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let Some(mut taken) = self.0.take() else { return };
        match tokio::runtime::Handle::try_current() {
            // Others wait for the append lock: it is let go at once, not when the line is used the next time.
            Ok(runtime) => drop(runtime.spawn(async move {
                if let Err(error) = taken.control("ROLLBACK").await {
                    tracing::debug!(%error, "a transaction under the append lock ended badly");
                    taken.0.connection = None;
                }
            })),
            Err(_) => taken.0.connection = None,
        }
    }
}

#[async_trait]
impl Session for Locked {
    async fn execute(&mut self, statement: Statement) -> Result<u64, BoxError> {
        self.taken()?.execute(statement).await
    }

    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, BoxError> {
        self.taken()?.fetch(statement).await
    }

    async fn control(&mut self, text: &'static str) -> Result<(), BoxError> {
        self.taken()?.control(text).await
    }
}

#[async_trait]
impl AppendLock for Line {
    type Locked = Locked;

    async fn lock(&self) -> Result<Locked, BoxError> {
        let mut locked = Locked(Some(self.take(Instant::now() + PATIENCE).await?));
        locked.control("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        locked.fetch(Statement::new("SELECT pg_advisory_xact_lock(?1)").bind(self.lock)).await?;
        Ok(locked)
    }

    async fn commit(&self, mut locked: Locked) -> Result<(), Failure> {
        let committed = locked.control("COMMIT").await.map_err(errors::of_commit);
        // A commit that failed has ended the transaction as well.
        locked.0 = None;
        committed
    }

    fn failure(&self, error: BoxError) -> Failure {
        errors::of_statement(error)
    }
}
