//! The folder of one server: data, socket and log.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Error, process};

/// Longest path of a Unix socket: `sun_path` has 108 bytes on Linux with the closing zero, 104 elsewhere.
const SOCKET_LIMIT: usize = 103;

/// A folder that others may enter. Whoever made it removes it: see [`super::guardian`].
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// The account that the server runs under, when we are root.
    account: Option<&'static str>,
}

impl Folder {
    /// Makes a new folder in `parent`, with folders for the data and the socket that belong to `account`.
    pub(crate) fn create(parent: &Path, prefix: &str, account: &'static str) -> Result<Self, Error> {
        let path = fresh(parent, prefix)?;
        // What we have just made is ours, which tells who we are.
        let owner = fs::metadata(&path).map_err(Error::io(format!("`{}`", path.display())))?.uid();
        let folder = Self { path, account: (owner == 0).then_some(account) };
        for inner in [folder.data(), folder.run()] {
            let mut install = Command::new("install");
            install.args(["-d", "-m", "700"]);
            if let Some(account) = folder.account {
                install.args(["-o", account, "-g", account]);
            }
            process::succeed(install.arg(inner))?;
        }
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn account(&self) -> Option<&'static str> {
        self.account
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Where the socket lies.
    pub(crate) fn run(&self) -> PathBuf {
        self.path.join("run")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// The last lines of the log.
    pub(crate) fn end_of_log(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// Whether `socket` is short enough to be one.
pub(crate) fn check_socket(socket: &Path) -> Result<(), Error> {
    if socket.as_os_str().len() <= SOCKET_LIMIT {
        return Ok(());
    }
    Err(Error::SocketPath { path: socket.to_owned(), limit: SOCKET_LIMIT })
}

fn fresh(parent: &Path, prefix: &str) -> Result<PathBuf, Error> {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let parent = parent.canonicalize().map_err(Error::io(format!("`{}`", parent.display())))?;
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{prefix}-{}-{number}", std::process::id()));
        match DirBuilder::new().mode(0o755).create(&path) {
            Ok(()) => return Ok(path),
            // Left by an earlier process that had our number.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io(format!("`{}`", path.display()))(error)),
        }
    }
}
