//! Signs of life of the processes that share a database file.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A file beside the database for each node, locked by the operating system, which frees the lock when the node's process
/// dies, however it dies.
#[derive(Debug)]
pub(super) struct Signs {
    database: PathBuf,
    held: Mutex<HashMap<PathBuf, File>>,
}

impl Signs {
    pub(super) fn beside(database: &Path) -> Self {
        Self { database: database.to_owned(), held: Mutex::default() }
    }

    /// `<database>-annals-<node>.lock`; nothing is created before the node appears.
    fn path(&self, node: &str) -> PathBuf {
        let mut path = self.database.as_os_str().to_owned();
        path.push(format!("-annals-{node}.lock"));
        path.into()
    }

    /// Takes the sign of `node` and keeps it.
    pub(super) fn take(&self, node: &str) -> io::Result<()> {
        let path = self.path(node);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Vacant(free) = held.entry(path) {
            let file = File::options().read(true).append(true).create(true).open(free.key())?;
            file.try_lock()?;
            free.insert(file);
        }
        Ok(())
    }

    /// Whether nobody has the sign of `node`.
    pub(super) fn is_free(&self, node: &str) -> io::Result<bool> {
        let path = self.path(node);
        if self.held.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&path) {
            return Ok(false);
        }
        let file = match File::options().read(true).append(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Gives the sign of `node` back, or clears away what a dead one has left.
    pub(super) fn drop(&self, node: &str) -> io::Result<()> {
        let path = self.path(node);
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&path);
        if held.is_some() || self.is_free(node)? {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives all signs back.
    pub(super) fn release(&self) {
        let held = std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner));
        for (path, file) in held {
            drop(file);
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::debug!(path = %path.display(), %error, "a lock file stays");
            }
        }
    }
}
