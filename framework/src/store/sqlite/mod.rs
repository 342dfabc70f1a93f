//! The store in a SQLite file: the default backend.
//!
//! One connection writes; the batch writer of appends and the transactions of handlers take turns on it. A pool of
//! connections reads. The file is in WAL mode with `synchronous = FULL`: a commit has reached the disk when it is
//! acknowledged, and readers never wait for the writer.

mod dialect;
mod errors;
mod lock;
mod open;
mod pack;
mod session;
mod signs;
mod subscriptions;
mod transaction;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{Sqlite, SqlitePool, Transaction};
use tokio::sync::watch;

use crate::handler::Resources;

use super::bare::BareEvent;
use super::batcher::{BatchLimits, Batcher};
use super::error::{BoxError, OpenError, ReadError};
use super::limits::Limits;
use super::read::Read;
use super::sql::{Appender, Found, Handle, Row, Session, SqlStore, Statement, Unfit};

pub(super) use dialect::DIALECT;
use pack::Answer;
use signs::Signs;
pub use transaction::SqliteTransaction;
use writer::Writer;

/// A store in a SQLite file.
///
/// Several processes may append to one file, read it, and share its processors. Each holds an operating-system lock on a file
/// of its own beside it, `<file>-annals-<node>.lock`: as soon as it ends, however it ends, others go on with its work. One
/// that is stopped in the middle of a transaction holds up whoever wants to write, since a file has one writer.
///
/// A transaction ([`Store::begin`](super::Store::begin)) holds the one connection that writes. Until it ends, appends
/// wait: do not await an append or a second transaction while holding one.
///
/// It offers handlers that read a [`sqlx::SqlitePool`]. Its connections refuse to write: a write beside the open
/// transaction would wait for it, and the transaction for the handler.
#[derive(Debug)]
pub struct SqliteStore {
    handle: Handle,
    writer: Writer,
    readers: SqlitePool,
    signs: Option<Signs>,
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
        let appender = Appender::new(writer.clone(), &DIALECT, appended.clone());
        let batcher = Batcher::start(Arc::new(appender), batch, limits.clone());
        Ok(Self {
            handle: Handle { dialect: &DIALECT, batcher, appended, limits },
            writer,
            readers: opened.readers,
            signs: opened.temporary.is_none().then(|| Signs::beside(&opened.file)),
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
impl SqlStore for SqliteStore {
    type Transaction = SqliteTransaction;
    type Database = Sqlite;

    fn handle(&self) -> &Handle {
        &self.handle
    }

    async fn fetch(&self, statement: Statement) -> Result<Vec<Row>, BoxError> {
        self.readers.acquire().await?.fetch(statement).await
    }

    async fn transaction(&self) -> Result<SqliteTransaction, BoxError> {
        Ok(SqliteTransaction::new(self.writer.begin().await?, self.handle.appending()))
    }

    async fn joined(&self, mut transaction: Transaction<'static, Sqlite>) -> Result<SqliteTransaction, Unfit> {
        let file = transaction::file_of(&mut transaction).await?;
        let same = |file: &PathBuf| match (file.canonicalize(), self.file.canonicalize()) {
            (Ok(file), Ok(own)) => file == own,
            _ => false,
        };
        match file {
            Some(file) if same(&file) => Ok(SqliteTransaction::joined(transaction, self.handle.appending())),
            Some(file) => Err(Unfit::elsewhere(format!("on the file `{}`", file.display()))),
            None => Err(Unfit::elsewhere("on a database without a file")),
        }
    }

    async fn page(&self, read: &Read) -> Result<Option<Found>, ReadError> {
        match pack::page(&self.readers, read).await? {
            Answer::Page(found) => Ok(Some(found)),
            Answer::Nothing => Ok(None),
            Answer::TooLarge => self.page_by_rows(read).await,
        }
    }

    async fn bare_page(&self, read: &Read) -> Result<Option<Found<BareEvent>>, ReadError> {
        match pack::page(&self.readers, read).await? {
            Answer::Page(found) => Ok(Some(found)),
            Answer::Nothing | Answer::TooLarge => Ok(None),
        }
    }

    async fn maintenance(&self) -> Result<SqliteTransaction, BoxError> {
        let mut transaction = self.transaction().await?;
        transaction.maintain().await?;
        Ok(transaction)
    }

    async fn take_sign(&self, node: &str) -> Result<(), BoxError> {
        match &self.signs {
            Some(signs) => Ok(signs.take(node)?),
            None => Ok(()),
        }
    }

    async fn sign_is_free(&self, node: &str) -> Result<bool, BoxError> {
        match &self.signs {
            Some(signs) => Ok(signs.is_free(node)?),
            None => Ok(false),
        }
    }

    async fn drop_sign(&self, node: &str) -> Result<(), BoxError> {
        match &self.signs {
            Some(signs) => Ok(signs.drop(node)?),
            None => Ok(()),
        }
    }

    fn offered(&self) -> Resources {
        let mut resources = Resources::default();
        resources.insert(self.readers.clone());
        resources
    }

    fn place(&self) -> String {
        if self.temporary.is_some() { "sqlite::memory:".to_owned() } else { open::address_of(&self.file) }
    }

    async fn let_go(&self) {
        self.readers.close().await;
        self.writer.close().await;
        if let Some(signs) = &self.signs {
            signs.release();
        }
        if let Some(temporary) = &self.temporary {
            temporary.remove();
        }
    }
}
