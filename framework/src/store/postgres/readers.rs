//! Connections that read.
//!
//! Not a pool of sqlx: that one asks the server whether a connection still lives each time it is given back, which costs
//! a round trip for each read. Here a connection that turns out to be broken is dropped, and the read goes on with a new
//! one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{Connection, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::store::error::BoxError;
use crate::store::sql::Statement;

use super::connect::{Purpose, connect};
use super::errors::{Meaning, meaning};
use super::session::{bound, numbered};

/// A bounded number of connections, opened as they are needed.
#[derive(Debug)]
pub(super) struct Readers {
    options: PgConnectOptions,
    permits: Semaphore,
    /// Those that nobody uses; the one used last is given out first.
    idle: Mutex<Vec<PgConnection>>,
    acquire_timeout: Duration,
}

impl Readers {
    pub(super) fn new(options: PgConnectOptions, connections: usize, acquire_timeout: Duration) -> Self {
        Self { options, permits: Semaphore::new(connections), idle: Mutex::default(), acquire_timeout }
    }

    /// Runs a statement that only reads: it is repeated when a connection that had been idle turns out to be broken.
    pub(super) async fn fetch(&self, statement: Statement) -> Result<Vec<PgRow>, BoxError> {
        let _permit = self.permit().await?;
        let (text, values) = (numbered(statement.text), bound(statement.values)?);
        loop {
            let idle = self.idle().pop();
            let was_idle = idle.is_some();
            let mut connection = match idle {
                Some(connection) => connection,
                None => connect(&self.options, Purpose::Read).await?,
            };
            // If this future is dropped meanwhile, the connection goes with it, half-way through an answer.
            let answer = sqlx::query_with(text.clone(), values.clone()).fetch_all(&mut connection).await;
            match answer {
                Err(error) if meaning(&error) == Meaning::Lost && was_idle => {}
                Err(error) if meaning(&error) == Meaning::Lost => return Err(error.into()),
                answer => {
                    self.idle().push(connection);
                    return Ok(answer?);
                }
            }
        }
    }

    /// Waits for those who read and closes all connections.
    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            if let Err(error) = connection.close().await {
                tracing::debug!(%error, "a connection ended badly");
            }
        }
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, BoxError> {
        match tokio::time::timeout(self.acquire_timeout, self.permits.acquire()).await {
            Ok(permit) => permit.map_err(|_| "the store is closed".into()),
            Err(_) => {
                Err(format!("no connection became free in {:?}; raise `max_readers`", self.acquire_timeout).into())
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<PgConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
