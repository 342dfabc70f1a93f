//! Empty stores.

use std::ops::Deref;
use std::sync::Arc;

use annals::store::{MemoryStore, SharedStore, SqliteStore, Store};
use tempfile::TempDir;

/// A store and the directory that it lies in.
pub(super) struct Opened {
    store: SharedStore,
    _directory: Option<TempDir>,
}

impl Deref for Opened {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

pub(super) async fn memory() -> Opened {
    Opened { store: Arc::new(MemoryStore::new()), _directory: None }
}

pub(super) async fn sqlite_in_memory() -> Opened {
    let store = SqliteStore::open("sqlite::memory:").await.unwrap();
    Opened { store: Arc::new(store), _directory: None }
}

pub(super) async fn sqlite_file() -> Opened {
    let directory = TempDir::new().unwrap();
    let store = SqliteStore::open(&url(&directory)).await.unwrap();
    Opened { store: Arc::new(store), _directory: Some(directory) }
}

#[cfg(feature = "servers")]
pub(super) async fn postgres() -> Opened {
    let url = annals_tests::servers::Server::Postgres.fresh_database().await;
    Opened { store: Arc::new(annals::store::PostgresStore::open(&url).await.unwrap()), _directory: None }
}

#[cfg(feature = "servers")]
pub(super) async fn mysql() -> Opened {
    let url = annals_tests::servers::Server::MySql.fresh_database().await;
    Opened { store: Arc::new(annals::store::MySqlStore::open(&url).await.unwrap()), _directory: None }
}

pub(super) fn url(directory: &TempDir) -> String {
    format!("sqlite://{}", directory.path().join("annals.db").display())
}
