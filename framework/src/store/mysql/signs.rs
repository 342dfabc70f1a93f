//! Signs of life of nodes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, MySqlConnection};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::store::error::BoxError;
use crate::store::sql::{Session, Statement, first};

use super::address::Address;
use super::errors;
use super::open::{close, connect};
use super::session::within;

/// How often the connection of the signs is used, so that the server keeps it and a broken one is noticed.
const KEEP: Duration = Duration::from_secs(15);

/// The server frees the locks of a connection that it has not heard of for this many seconds.
const IDLE: &str = "SET SESSION wait_timeout = 60";

/// Locks of the server (`GET_LOCK`) on one connection, one for each node of this process. The server frees them
/// when the connection ends, however it ends.
#[derive(Debug)]
pub(super) struct Signs {
    address: Address,
    held: Arc<Mutex<Held>>,
    keeper: std::sync::Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Held {
    connection: Option<MySqlConnection>,
    locks: BTreeSet<String>,
    closed: bool,
}

impl Signs {
    pub(super) fn at(address: Address) -> Self {
        Self { address, held: Arc::default(), keeper: std::sync::Mutex::default() }
    }

    /// Takes the sign of `node` and keeps it.
    pub(super) async fn take(&self, node: &str) -> Result<(), BoxError> {
        let lock = lock_name(&self.address, node);
        let mut held = self.held.lock().await;
        let mut taken = held.take(&self.address, &lock).await;
        if taken.as_ref().is_err_and(errors::is_broken) {
            held.connection = None;
            taken = held.take(&self.address, &lock).await;
        }
        match taken? {
            None => {
                held.locks.insert(lock);
                self.keep();
                Ok(())
            }
            // Nobody else ever has this node's name.
            Some(owner) => Err(format!("the server has not yet noticed the end of its connection {owner}").into()),
        }
    }

    /// Gives the sign of `node` back, if it is held here.
    pub(super) async fn drop(&self, node: &str) -> Result<(), BoxError> {
        let lock = lock_name(&self.address, node);
        let mut held = self.held.lock().await;
        if held.locks.remove(&lock)
            && let Some(connection) = &mut held.connection
        {
            connection.fetch(Statement::new("SELECT RELEASE_LOCK(?1)").bind(lock)).await?;
        }
        Ok(())
    }

    /// Frees all of them.
    pub(super) async fn release(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            keeper.abort();
        }
        let mut held = self.held.lock().await;
        held.closed = true;
        if let Some(mut connection) = held.connection.take() {
            // The server would free them only once it has noticed that the connection has ended.
            if let Err(error) = connection.fetch(Statement::new("SELECT RELEASE_ALL_LOCKS()")).await {
                tracing::debug!(%error, "the signs of life end with their connection");
            }
            close(connection).await;
        }
    }

    /// Starts the task that uses the connection now and then.
    fn keep(&self) {
        let mut keeper = self.keeper.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if keeper.is_none() {
            let (held, address) = (Arc::clone(&self.held), self.address.clone());
            *keeper = Some(tokio::spawn(async move {
                loop {
                    tokio::time::sleep(KEEP).await;
                    held.lock().await.refresh(&address).await;
                }
            }));
        }
    }
}

impl Drop for Signs {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(keeper) = keeper.take() {
            keeper.abort();
        }
    }
}

impl Held {
    /// Takes `lock`; gives the connection that holds it where that is another one.
    async fn take(&mut self, address: &Address, lock: &str) -> Result<Option<u64>, BoxError> {
        if self.closed {
            return Err("the store is closed".into());
        }
        let connection = match &mut self.connection {
            Some(connection) => connection,
            empty => {
                let connection = empty.insert(connect(address).await?);
                connection.control(IDLE).await?;
                for lock in &self.locks {
                    if get_lock(connection, lock).await?.is_some() {
                        tracing::warn!(%lock, "the server has not yet noticed the end of the connection before");
                    }
                }
                connection
            }
        };
        if self.locks.contains(lock) {
            // A lock is counted: one that is held already is only looked at, which tells whether the connection lives.
            connection.ping().await?;
            return Ok(None);
        }
        get_lock(connection, lock).await
    }

    /// Uses the connection. One that is broken is made anew, and its locks are taken again as far as they are free; who
    /// got one in between has a higher fencing number.
    async fn refresh(&mut self, address: &Address) {
        let Some(connection) = &mut self.connection else { return };
        let Err(error) = within(KEEP, connection.ping()).await else { return };
        tracing::warn!(%error, "the connection of the signs of life is lost and is made anew");
        self.connection = None;
        let Some(lock) = self.locks.first().cloned() else { return };
        if let Err(error) = self.take(address, &lock).await {
            tracing::warn!(%error, "the signs of life could not be taken again yet");
            self.connection = None;
        }
    }
}

/// Takes `lock`; gives the connection that holds it where that is another one.
async fn get_lock(connection: &mut MySqlConnection, lock: &str) -> Result<Option<u64>, BoxError> {
    let statement = Statement::new("SELECT GET_LOCK(?1, 0), IS_USED_LOCK(?1)").bind(lock);
    let answer = first(connection.fetch(statement).await?, |mut row| {
        Ok((row.optional_integer("locked")?, row.optional_integer("owner")?))
    })?;
    match answer {
        Some((Some(1), _)) => Ok(None),
        Some((Some(0), owner)) => Ok(Some(owner.unwrap_or_default().unsigned_abs())),
        _ => Err("the server could not take a lock".into()),
    }
}

/// Whether nobody has the sign of `node`.
pub(super) fn is_free(address: &Address, node: &str) -> Statement {
    Statement::new("SELECT coalesce(IS_FREE_LOCK(?1), 0)").bind(lock_name(address, node))
}

/// The server-wide name of the lock of `node` in one database. It holds 64 characters at most, so it is a hash: SHA-1, as in
/// a UUID of version 5.
pub(super) fn lock_name(address: &Address, node: &str) -> String {
    let database = address.options.get_database().unwrap_or_default();
    let name = [database, node].join("\0");
    format!("annals-{}", Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).simple())
}
