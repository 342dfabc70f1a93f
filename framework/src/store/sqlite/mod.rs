//! The store in a SQLite file: the default backend.
//!
//! One connection writes; the batch writer of appends and the transactions of handlers take turns on it. A pool of
//! connections reads. The file is in WAL mode with `synchronous = FULL`: a commit has reached the disk when it is
//! acknowledged, and readers never wait for the writer.

mod append;
mod claims;
mod facts;
mod open;
mod read;
mod records;
mod rows;
mod sagas;
mod transaction;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{Row, SqlitePool};
use tokio::sync::watch;

use crate::message::{CommandId, Position, StreamId, Version};

use super::EventStore;
use super::append::{Append, Appended, CommandRecord};
use super::batcher::{BatchLimits, Batcher};
use super::error::{AppendError, OpenError, ReadError};
use super::limits::Limits;
use super::read::{Page, Read};

use append::Appender;
use claims::ClaimFile;
pub use transaction::SqliteTransaction;
use writer::Writer;

/// A store in a SQLite file.
///
/// Several processes may append to and read one file; its processors run in one of them, see
/// [`Store::claim`](super::Store::claim).
#[derive(Debug)]
pub struct SqliteStore {
    batcher: Batcher,
    writer: Writer,
    readers: SqlitePool,
    claims: Option<ClaimFile>,
    appended: watch::Sender<Position>,
    file: PathBuf,
    temporary: Option<open::TemporaryDirectory>,
}

impl SqliteStore {
    /// Opens the store at `url`, creating the file and bringing its schema up to date.
    ///
    /// `sqlite://FILE` and `sqlite:FILE` name a file. `sqlite::memory:` is a store of its own that is gone when it is
    /// closed or dropped; it lives in a temporary file without flushes, so that its readers and its writer go side by
    /// side exactly as on a file that stays. It needs a running tokio runtime.
    ///
    /// # Errors
    /// [`OpenError::Address`] for another address; [`OpenError::Unavailable`] when the file cannot be opened, created
    /// or written, or is no database; [`OpenError::Schema`] when its tables were made by a newer program or changed.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_with(url, Limits::default(), BatchLimits::default()).await
    }

    /// Opens the store at `url` with other limits.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub async fn open_with(url: &str, limits: Limits, batch: BatchLimits) -> Result<Self, OpenError> {
        let opened = open::open(url).await?;
        let writer = opened.writer;
        let appended = watch::Sender::new(opened.head);
        let appender = Appender::new(writer.clone(), appended.clone());
        Ok(Self {
            batcher: Batcher::start(Arc::new(appender), batch, limits),
            writer,
            readers: opened.readers,
            claims: opened.temporary.is_none().then(|| ClaimFile::beside(&opened.file)),
            appended,
            file: opened.file,
            temporary: opened.temporary,
        })
    }

    /// The database file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
}

#[async_trait]
impl EventStore for SqliteStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.batcher.append(append).await
    }

    async fn read(&self, read: &Read) -> Result<Page, ReadError> {
        read::page(&self.readers, read).await
    }

    async fn head(&self) -> Result<Position, ReadError> {
        let head = sqlx::query("SELECT coalesce(max(position), 0) FROM annals_events").fetch_one(&self.readers).await;
        let head = head.and_then(|row| row.try_get(0)).map_err(unreadable)?;
        Ok(rows::position(head))
    }

    async fn stream_head(&self, tenant: &str, stream: &StreamId) -> Result<Option<Version>, ReadError> {
        let sql = "SELECT max(version) FROM annals_events WHERE tenant = ?1 AND category = ?2 AND stream_id = ?3";
        let query = sqlx::query(sql).bind(tenant).bind(stream.category()).bind(stream.id());
        let newest: Option<i64> =
            query.fetch_one(&self.readers).await.and_then(|row| row.try_get(0)).map_err(unreadable)?;
        Ok(newest.and_then(rows::version))
    }

    async fn command(&self, tenant: &str, command: CommandId) -> Result<Option<CommandRecord>, ReadError> {
        let query = sqlx::query(rows::COMMAND).bind(tenant).bind(command.uuid().as_bytes().as_slice());
        let row = query.fetch_optional(&self.readers).await.map_err(unreadable)?;
        row.map(|row| rows::command(&row)).transpose().map_err(unreadable)
    }

    fn appended(&self) -> watch::Receiver<Position> {
        self.appended.subscribe()
    }
}

fn unreadable(error: sqlx::Error) -> ReadError {
    ReadError::Unavailable { source: error.into() }
}
