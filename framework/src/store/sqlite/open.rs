//! Opens a database file and brings its schema up to date.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection, SqlitePool};

use crate::message::{EventId, Position};
use crate::store::error::{BoxError, OpenError};
use crate::store::sql::{SchemaFault, Session, Statement, is_current, migrate, migration};

use super::dialect::DIALECT;
use super::errors::{SQLITE_BUSY, code};
use super::writer::Writer;

/// Connections that read at the same time.
const READERS: u32 = 8;

/// How long a statement waits for a writer in another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Pages of 4 KiB in the log after which a commit copies it into the file: 32 MiB. More means fewer copies of the index
/// pages that every batch touches, a larger log file, and a longer commit now and then.
const CHECKPOINT_PAGES: &str = "8192";

/// Page cache of each connection, in KiB (negative, as SQLite has it): 16 MiB at most.
const CACHE_SIZE: &str = "-16384";

/// An open database, before the store is built on it.
pub(super) struct Opened {
    pub(super) writer: Writer,
    pub(super) readers: SqlitePool,
    pub(super) file: PathBuf,
    pub(super) head: Position,
    pub(super) temporary: Option<TemporaryDirectory>,
}

pub(super) async fn open(url: &str) -> Result<Opened, OpenError> {
    let Address { options, temporary } = Address::parse(url)?;
    let file = options.get_filename().to_owned();
    let options = options
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(if temporary.is_some() { SqliteSynchronous::Off } else { SqliteSynchronous::Full })
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("cache_size", CACHE_SIZE)
        .disable_statement_logging();
    let unavailable = |source: BoxError| OpenError::Unavailable { address: address_of(&file), source };

    let mut writer = connect(&options).await.map_err(|error| unopened(&file, error.into()))?;
    bring_up_to_date(&mut writer).await.map_err(|fault| fault.at(address_of(&file)))?;
    let head = writer.fetch(Statement::new(DIALECT.statements.head)).await.map_err(unavailable)?;
    let head = head.into_iter().next().map_or(Ok(Position::START), |mut row| row.position("head"));
    let head = head.map_err(|error| unavailable(error.into()))?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .test_before_acquire(false)
        .connect_lazy_with(options.clone().create_if_missing(false).pragma("query_only", "ON"));
    let writer = Writer::new(writer, options.create_if_missing(false));
    Ok(Opened { writer, readers, file, head, temporary })
}

/// Connects. To turn on the write-ahead log SQLite needs the file for itself, and does not wait for that: another program
/// may open a new file at the same time.
async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let deadline = tokio::time::Instant::now() + BUSY_TIMEOUT;
    loop {
        match options.connect().await {
            Err(error) if code(&error) == Some(SQLITE_BUSY) && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            other => return other,
        }
    }
}

/// Why `file` cannot be opened: most often its directory is missing, which SQLite does not say.
fn unopened(file: &Path, source: BoxError) -> OpenError {
    let address = address_of(file);
    match file.parent().filter(|directory| matches!(directory.try_exists(), Ok(false))) {
        Some(directory) if directory != Path::new("") => {
            OpenError::Directory { address, directory: directory.to_owned(), source }
        }
        _ => OpenError::Unavailable { address, source },
    }
}

/// The address of `file`, for people.
pub(super) fn address_of(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

struct Address {
    options: SqliteConnectOptions,
    temporary: Option<TemporaryDirectory>,
}

impl Address {
    fn parse(url: &str) -> Result<Self, OpenError> {
        let wrong = |reason: String| OpenError::Address { url: url.to_owned(), reason };
        let Some(place) = url.strip_prefix("sqlite:") else {
            return Err(wrong("expected `sqlite://FILE`, `sqlite:FILE` or `sqlite::memory:`".to_owned()));
        };
        let place = place.strip_prefix("//").unwrap_or(place);
        let (file, parameters) = place.split_once('?').unwrap_or((place, ""));
        if file == ":memory:" || parameters.split('&').any(|parameter| parameter == "mode=memory") {
            let temporary = TemporaryDirectory::create()
                .map_err(|error| OpenError::Unavailable { address: url.to_owned(), source: error.into() })?;
            let options = SqliteConnectOptions::new().filename(temporary.0.join("annals.db")).create_if_missing(true);
            return Ok(Self { options, temporary: Some(temporary) });
        }
        if file.is_empty() {
            return Err(wrong("the file is missing, as in `sqlite://orders.db`".to_owned()));
        }
        if parameters.split('&').any(|parameter| parameter == "mode=ro") {
            return Err(wrong("a store must be writable; leave out `mode=ro`".to_owned()));
        }
        let options = SqliteConnectOptions::from_str(url).map_err(|error| wrong(error.to_string()))?;
        let creates = !parameters.split('&').any(|parameter| parameter == "mode=rw");
        Ok(Self { options: options.create_if_missing(creates), temporary: None })
    }
}

/// A directory that is removed when this is dropped.
#[derive(Debug)]
pub(super) struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    fn create() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("annals-{}", EventId::new()));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(Self(path))
    }

    pub(super) fn remove(&self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.0.display(), "a temporary directory could not be removed");
        }
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Applies what is missing, in one transaction that no second program can start meanwhile.
async fn bring_up_to_date(connection: &mut SqliteConnection) -> Result<(), SchemaFault> {
    let encoding: String = sqlx::query("PRAGMA encoding").fetch_one(&mut *connection).await?.try_get(0)?;
    if encoding != "UTF-8" {
        return Err(SchemaFault::Unfit(format!(
            "its texts are {encoding}, a store needs UTF-8; use a file of its own"
        )));
    }
    let migrations = vec![migration(1, "events and records", include_str!("migrations/0001_events_and_records.sql"))];
    if is_current(connection, &migrations).await {
        return Ok(());
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    migrate(&mut *transaction, migrations).await?;
    Ok(transaction.commit().await?)
}
