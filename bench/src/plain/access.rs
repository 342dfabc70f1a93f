//! How plain SQL comes to its connections.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{Connection, Pool};
use tokio::sync::{Mutex, MutexGuard};

/// How the clients that write come to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// They share one connection under a lock, without a pool.
    Shared,
    /// They take one from a pool of this size.
    Pool(u32),
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared => write!(f, "one shared connection"),
            Self::Pool(size) => write!(f, "a pool of {size}"),
        }
    }
}

/// Connections to one database: those that write, and a few that only read.
pub(super) struct Connections<D: sqlx::Database> {
    writes: Source<D>,
    reads: Pool<D>,
}

enum Source<D: sqlx::Database> {
    Shared(Mutex<Option<D::Connection>>),
    Pool(Pool<D>),
}

type OptionsOf<D> = <<D as sqlx::Database>::Connection as Connection>::Options;

impl<D: sqlx::Database> Connections<D> {
    pub(super) async fn open(options: OptionsOf<D>, access: Access) -> Result<Self, sqlx::Error> {
        let reads = pool_options::<D>(2).connect_lazy_with(options.clone());
        let writes = match access {
            Access::Shared => Source::Shared(Mutex::new(Some(D::Connection::connect_with(&options).await?))),
            Access::Pool(size) => {
                Source::Pool(pool_options::<D>(size).min_connections(size).connect_with(options).await?)
            }
        };
        Ok(Self { writes, reads })
    }

    pub(super) async fn write(&self) -> Result<Held<'_, D>, sqlx::Error> {
        match &self.writes {
            Source::Shared(connection) => {
                let connection = MutexGuard::try_map(connection.lock().await, Option::as_mut);
                connection.map(Held::Shared).map_err(|_| sqlx::Error::PoolClosed)
            }
            Source::Pool(pool) => pool.acquire().await.map(Held::Pooled),
        }
    }

    pub(super) async fn read(&self) -> Result<PoolConnection<D>, sqlx::Error> {
        self.reads.acquire().await
    }

    pub(super) async fn close(&self) {
        self.reads.close().await;
        match &self.writes {
            Source::Pool(pool) => pool.close().await,
            Source::Shared(connection) => {
                if let Some(connection) = connection.lock().await.take() {
                    // What it wrote is on the disk already.
                    let _ = connection.close().await;
                }
            }
        }
    }
}

fn pool_options<D: sqlx::Database>(size: u32) -> PoolOptions<D> {
    PoolOptions::new().max_connections(size).acquire_timeout(Duration::from_secs(60)).test_before_acquire(false)
}

/// A connection in use.
pub(super) enum Held<'a, D: sqlx::Database> {
    Shared(tokio::sync::MappedMutexGuard<'a, D::Connection>),
    Pooled(PoolConnection<D>),
}

impl<D: sqlx::Database> Deref for Held<'_, D> {
    type Target = D::Connection;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Shared(connection) => connection,
            Self::Pooled(connection) => connection,
        }
    }
}

impl<D: sqlx::Database> DerefMut for Held<'_, D> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::Shared(connection) => connection,
            Self::Pooled(connection) => connection,
        }
    }
}
