//! Which node runs which processors.

use std::collections::BTreeSet;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, Row};
use tokio::sync::Mutex;

use crate::store::error::{ClaimError, StoreError};

use super::connect::{Process, Purpose, connect};
use super::errors::{Meaning, meaning};
use super::key::Keys;

/// Advisory locks on a connection that is kept open for them. The server frees them when the connection ends, however it
/// ends. Who has lost one without noticing cannot write, since the fencing number has moved.
#[derive(Debug)]
pub(super) struct Claims {
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

impl Claims {
    pub(super) fn new(options: PgConnectOptions, keys: Keys) -> Self {
        Self { options, keys, state: Mutex::default() }
    }

    /// Takes the right to run `processor` of `tenant`, and keeps it.
    pub(super) async fn hold(&self, tenant: &str, processor: &str) -> Result<(), ClaimError> {
        let key = self.keys.claim(tenant, processor);
        let mut state = self.state.lock().await;
        match state.take(&self.options, key).await.map_err(StoreError::unavailable)? {
            None => Ok(()),
            Some(owner) => Err(ClaimError::Held { processor: processor.to_owned(), owner }),
        }
    }

    pub(super) async fn close(&self) {
        let mut state = self.state.lock().await;
        state.held.clear();
        if let Some(connection) = state.connection.take()
            && let Err(error) = free(connection).await
        {
            tracing::debug!(%error, "the connection of claims ended badly");
        }
    }
}

impl State {
    /// Takes the lock `key`; whoever holds it, for people, if that is somebody else.
    async fn take(&mut self, options: &PgConnectOptions, key: i64) -> Result<Option<String>, sqlx::Error> {
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
                Ok(owner) => {
                    if owner.is_none() {
                        self.held.insert(key);
                    }
                    self.connection = Some(connection);
                    return Ok(owner);
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
        for key in std::mem::take(&mut self.held) {
            if attempt(&mut connection, key, false).await?.is_none() {
                self.held.insert(key);
            }
        }
        Ok(connection)
    }
}

/// Lets go of all locks at once; the server takes a moment to notice the end of a connection.
async fn free(mut connection: PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut connection).await?;
    connection.close().await
}

async fn attempt(connection: &mut PgConnection, key: i64, held: bool) -> Result<Option<String>, sqlx::Error> {
    let sql = if held { "SELECT $1 IS NOT NULL" } else { "SELECT pg_try_advisory_lock($1)" };
    if sqlx::query(sql).bind(key).fetch_one(&mut *connection).await?.try_get(0)? {
        return Ok(None);
    }
    // Where PostgreSQL keeps a key of 64 bits in two halves, `objsubid` is 1.
    let sql = "SELECT format('%s, process %s of the server, from %s', nullif(a.application_name, ''), a.pid, \
               coalesce(host(a.client_addr), 'a local socket')) \
               FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
               WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
               AND (l.classid::bigint << 32) | l.objid::bigint = $1";
    let owner = sqlx::query(sql).bind(key).fetch_optional(connection).await?;
    let owner = owner.map(|row| row.try_get::<Option<String>, _>(0)).transpose()?.flatten();
    Ok(Some(owner.unwrap_or_else(|| "a connection that has just ended".to_owned())))
}
