//! Where the data is.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use annals::Annals;
use annals::app::Builder;

use super::Failure;
use super::output::{program, quoted};

/// How long the answers to commands are kept: for good, since files may be imported again after years.
const REMEMBERED: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Opens the database at `url`, by default that of the demo, creating it if it is missing, for an application with the
/// settings of `app`.
pub(super) async fn open(url: Option<String>, app: Builder) -> Result<(Annals, String), Failure> {
    let url = url.unwrap_or_else(default_url);
    if let Some(folder) = file(&url).and_then(|file| file.parent().map(Path::to_owned)) {
        let made = std::fs::create_dir_all(&folder);
        made.map_err(|source| Problem::Folder { folder: folder.display().to_string(), source })?;
    }
    let app = app.commands(|commands| commands.remembered = REMEMBERED);
    match app.store(&url).start().await {
        Ok(app) => Ok((app, url)),
        Err(source) => Err(Problem::Open { url, source }.into()),
    }
}

/// Opens a database that must be there.
pub(super) async fn open_existing(url: Option<String>) -> Result<Annals, Failure> {
    let url = url.unwrap_or_else(default_url);
    match file(&url) {
        Some(file) if !file.exists() && url == default_url() => Err(Problem::NoDemo { url }.into()),
        Some(file) if !file.exists() => Err(Problem::Missing { url }.into()),
        _ => Ok(open(Some(url), Annals::builder()).await?.0),
    }
}

/// Removes the database at `url`, by default that of the demo, unless another process works with it.
pub(super) fn remove(url: Option<String>) -> Result<(), Failure> {
    let url = url.unwrap_or_else(default_url);
    let Some(file) = file(&url) else { return Err(Problem::NotAFile { url }.into()) };
    // The lock is held until the files are gone; its own file stays, since others may wait for it.
    let _lock = match lock(&file) {
        Ok(lock) => lock,
        Err(TryLockError::WouldBlock) => return Err(Problem::InUse { url }.into()),
        Err(TryLockError::Error(source)) => return Err(Problem::Remove { url, source }.into()),
    };
    for suffix in ["", "-wal", "-shm"] {
        let mut part = file.clone().into_os_string();
        part.push(suffix);
        match std::fs::remove_file(&part) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                return Err(Problem::Remove { url, source }.into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Takes the locks of nodes that have worked with the database `file`: each node holds one as long as it lives. They are few.
fn lock(file: &Path) -> Result<Vec<File>, TryLockError> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else { return Ok(Vec::new()) };
    let prefix = format!("{}-annals-", name.to_string_lossy());
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(TryLockError::Error(error)),
    };
    let mut locks = Vec::new();
    for entry in entries {
        let entry = entry.map_err(TryLockError::Error)?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(&prefix) {
            let lock = File::options().read(true).append(true).open(entry.path()).map_err(TryLockError::Error)?;
            lock.try_lock()?;
            locks.push(lock);
        }
    }
    Ok(locks)
}

/// What can be wrong with a database.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("cannot open the database `{url}`")]
    Open { url: String, source: annals::StartError },
    #[error("there is no database `{url}` yet; `{} demo` makes it", program())]
    NoDemo { url: String },
    #[error(
        "there is no database `{url}`; `{} import --stock FILE --orders FILE --db {}` makes it",
        program(),
        quoted(url)
    )]
    Missing { url: String },
    #[error("the database `{url}` is in use by another process, such as `order-stock serve`; end it first")]
    InUse { url: String },
    #[error("cannot make the folder `{folder}`")]
    Folder { folder: String, source: std::io::Error },
    #[error("only a database in a file can be removed, and `{url}` is none")]
    NotAFile { url: String },
    #[error("cannot remove the database `{url}`")]
    Remove { url: String, source: std::io::Error },
}

/// In `target/order-stock` for a program that cargo has built and not installed, since cargo marks that folder; for an
/// installed program in the present folder.
pub(super) fn default_url() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    let file = target.map_or_else(|| PathBuf::from("order-stock.db"), |target| target.join("order-stock/demo.db"));
    format!("sqlite://{}", file.display())
}

/// The file behind `url`, if it names one.
fn file(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path).split('?').next()?;
    (path != ":memory:").then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_found_in_the_address() {
        assert_eq!(file("sqlite://orders.db"), Some("orders.db".into()));
        assert_eq!(file("sqlite:///var/orders.db?mode=rwc"), Some("/var/orders.db".into()));
        assert_eq!(file("sqlite:orders.db"), Some("orders.db".into()));
        assert_eq!(file("sqlite::memory:"), None);
        assert_eq!(file("memory:"), None);
    }
}
