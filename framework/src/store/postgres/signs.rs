//! Signs of life of nodes.

use std::collections::BTreeSet;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, Row};
use tokio::sync::Mutex;

use crate::store::error::BoxError;

use super::connect::{Process, Purpose, connect};
use super::errors::{Meaning, meaning};
use super::key::Keys;

/// Whether nobody holds an advisory lock. Where PostgreSQL keeps a key of 64 bits in two halves, `objsubid` is 1.
pub(super) const IS_FREE: &str = "SELECT CASE WHEN EXISTS (SELECT 1 FROM pg_locks l \
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
    AND (l.classid::bigint << 32) | l.objid::bigint = ?1) THEN 0 ELSE 1 END";

/// Advisory locks on a connection that is kept open for them, one for each node of this process. The server frees them when
/// the connection ends, however it ends: others then take over at once. Who is cut off without noticing cannot write, since
/// the fencing numbers have moved.
#[derive(Debug)]
pub(super) struct Signs {
    options: PgConnectOptions,
    keys: Keys,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<PgConnection>,
    /// The server's process behind `connection`, or behind the one before.
    process: Option<Process>,
    /// Keys of the locks that were taken.
    held: BTreeSet<i64>,
}

impl Signs {
    pub(super) fn new(options: PgConnectOptions, keys: Keys) -> Self {
        Self { options, keys, state: Mutex::default() }
    }

    /// Takes the sign of `node`, and keeps it.
    pub(super) async fn take(&self, node: &str) -> Result<(), BoxError> {
        Ok(self.state.lock().await.take(&self.options, self.keys.sign(node)).await?)
    }

    /// Gives the sign of `node` back, if it is held here.
    pub(super) async fn drop(&self, node: &str) -> Result<(), BoxError> {
        let key = self.keys.sign(node);
        let mut state = self.state.lock().await;
        if state.held.remove(&key)
            && let Some(connection) = &mut state.connection
        {
            sqlx::query("SELECT pg_advisory_unlock($1)").bind(key).execute(connection).await?;
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        let mut state = self.state.lock().await;
        state.held.clear();
        if let Some(connection) = state.connection.take()
            && let Err(error) = free(connection).await
        {
            tracing::debug!(%error, "the connection of the signs of life ended badly");
        }
    }
}

impl State {
    /// Takes the lock `key`.
    async fn take(&mut self, options: &PgConnectOptions, key: i64) -> Result<(), sqlx::Error> {
        loop {
            let (mut connection, was_idle) = match self.connection.take() {
                Some(connection) => (connection, true),
                None => (self.connect(options).await?, false),
            };
            // A lock is counted: one that is held already is only looked at, which tells whether the connection lives.
            let again = self.held.contains(&key);
            match attempt(&mut connection, key, again).await {
                Err(error) if meaning(&error) == Meaning::Lost && was_idle => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    self.held.insert(key);
                    self.connection = Some(connection);
                    return Ok(());
                }
            }
        }
    }

    /// Connects, and takes the locks again that the connection before held.
    async fn connect(&mut self, options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
        let mut connection = connect(options, Purpose::Hold).await?;
        if let Some(process) = &self.process {
            process.end(&mut connection).await?;
        }
        self.process = Some(Process::behind(&mut connection).await?);
        for key in &self.held {
            attempt(&mut connection, *key, false).await?;
        }
        Ok(connection)
    }
}

/// Lets go of all locks at once; the server takes a moment to notice the end of a connection.
async fn free(mut connection: PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut connection).await?;
    connection.close().await
}

async fn attempt(connection: &mut PgConnection, key: i64, held: bool) -> Result<(), sqlx::Error> {
    let sql = if held { "SELECT $1 IS NOT NULL" } else { "SELECT pg_try_advisory_lock($1)" };
    if sqlx::query(sql).bind(key).fetch_one(connection).await?.try_get(0)? {
        return Ok(());
    }
    // Nobody else ever has this node's name: the server has not yet noticed the end of the connection before.
    Err(sqlx::Error::Protocol("the sign of life of this node is held by another connection".to_owned()))
}
