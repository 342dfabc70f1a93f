//! Which process runs the processors of a database file.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A file beside the database whose operating-system lock is the right to run its processors. The system frees the
/// lock when its holder dies, however it dies.
#[derive(Debug)]
pub(super) struct ClaimFile {
    path: PathBuf,
    held: Mutex<Option<File>>,
}

impl ClaimFile {
    /// `<database>-annals.lock`; nothing is created before the first claim.
    pub(super) fn beside(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-annals.lock");
        Self { path: path.into(), held: Mutex::new(None) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock and keeps it; returns whether it is held now.
    pub(super) fn take(&self) -> std::io::Result<bool> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_some() {
            return Ok(true);
        }
        let file = File::options().read(true).append(true).create(true).open(&self.path)?;
        match file.try_lock() {
            Ok(()) => {
                *held = Some(file);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    pub(super) fn release(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
