//! MariaDB, which stands for MySQL as well: both speak the same protocol, and MySQL 8 is in few distributions.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::engine::{Engine, Place};
use super::folder::Folder;
use super::programs::{self, Package};
use super::{Error, process};

pub(crate) struct MariaDb;

impl Engine for MariaDb {
    fn name(&self) -> &'static str {
        "MariaDB"
    }

    fn prefix(&self) -> &'static str {
        "annals-my"
    }

    fn account(&self) -> &'static str {
        "mysql"
    }

    fn programs(&self) -> Result<PathBuf, Error> {
        let package = Package {
            program: "mariadbd",
            name: "mariadb-server",
            what: "MariaDB 10.11 or newer, with `mariadbd` and `mariadb-install-db` on the path",
        };
        package.find(|| programs::on_path("mariadb-install-db").and_then(|_| programs::on_path("mariadbd")))
    }

    fn create(&self, _: &Path, folder: &Folder) -> Result<(), Error> {
        let Some(program) = programs::on_path("mariadb-install-db") else {
            return Err(Error::Missing { program: "mariadb-install-db", remedy: "install MariaDB in full".to_owned() });
        };
        let mut install = Command::new(program);
        install.args([
            "--no-defaults",
            "--skip-name-resolve",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]);
        install.arg(format!("--datadir={}", folder.data().display())).arg(temporary(folder));
        install.args(folder.account().map(|account| format!("--user={account}")));
        process::succeed(&mut install).map(|_| ())
    }

    fn command(&self, programs: &Path, place: Place<'_>, settings: &[(String, String)]) -> Command {
        let run = place.folder.run();
        let mut server = Command::new(programs);
        server.arg("--no-defaults").arg(format!("--datadir={}", place.folder.data().display()));
        server.arg(temporary(place.folder));
        server.arg(format!("--port={}", place.port)).args(["--bind-address=127.0.0.1", "--skip-name-resolve"]);
        server.arg(format!("--socket={}", self.socket(place).display()));
        server.arg(format!("--pid-file={}", run.join("pid").display()));
        server.args(place.folder.account().map(|account| format!("--user={account}")));
        server.args(settings.iter().map(|(name, value)| format!("--{name}={value}")));
        server
    }

    /// The server listens once it is ready, and greets first.
    fn answers(&self, place: Place<'_>) -> bool {
        greeted(&self.socket(place)).unwrap_or(false)
    }

    fn stop_signal(&self) -> &'static str {
        "TERM"
    }

    fn end_signal(&self) -> &'static str {
        "KILL"
    }

    fn socket(&self, place: Place<'_>) -> PathBuf {
        place.folder.run().join("socket")
    }

    fn url(&self, place: Place<'_>) -> String {
        format!("mysql://root@127.0.0.1:{}/mysql", place.port)
    }

    fn socket_url(&self, place: Place<'_>) -> String {
        format!("mysql://root@localhost/mysql?socket={}", self.socket(place).display())
    }

    fn tidy(&self, _: &Folder) {}
}

/// A folder of its own for temporary tables: a server that starts removes what looks like one of them from the folder
/// that it is given, also those of others.
fn temporary(folder: &Folder) -> String {
    format!("--tmpdir={}", folder.run().display())
}

/// Whether the first packet is a greeting (protocol version 10) and not an error.
///
/// Source: MariaDB knowledge base, "Connection phase", initial handshake packet.
fn greeted(socket: &Path) -> std::io::Result<bool> {
    let mut server = UnixStream::connect(socket)?;
    server.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut packet = [0; 5];
    server.read_exact(&mut packet)?;
    Ok(packet[4] == 10)
}
