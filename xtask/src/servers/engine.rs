//! What differs between the servers.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Error;
use super::folder::Folder;

/// Where a server lies and listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) folder: &'a Folder,
    pub(crate) port: u16,
}

/// One kind of server.
pub(crate) trait Engine: Sync {
    /// How people call it.
    fn name(&self) -> &'static str;

    /// Beginning of the folder's name.
    fn prefix(&self) -> &'static str;

    /// The account to run under when we are root.
    fn account(&self) -> &'static str;

    /// Finds the programs, and installs them where that is possible; gives the folder or the path that they lie at.
    fn programs(&self) -> Result<PathBuf, Error>;

    /// Makes an empty server.
    fn create(&self, programs: &Path, folder: &Folder) -> Result<(), Error>;

    /// The server itself, in the foreground: the process that this starts is the one to signal.
    fn command(&self, programs: &Path, place: Place<'_>, settings: &[(String, String)]) -> Command;

    /// Whether the server takes connections.
    fn answers(&self, place: Place<'_>) -> bool;

    /// The signal that stops it after what is under way was written.
    fn stop_signal(&self) -> &'static str;

    /// The signal that stops it at once, but leaves nothing behind in the system.
    fn end_signal(&self) -> &'static str;

    /// Path of the Unix socket.
    fn socket(&self, place: Place<'_>) -> PathBuf;

    /// Address over TCP.
    fn url(&self, place: Place<'_>) -> String;

    /// Address over the Unix socket.
    fn socket_url(&self, place: Place<'_>) -> String;

    /// Lets go of what a killed server has left outside its folder.
    fn tidy(&self, folder: &Folder);
}
