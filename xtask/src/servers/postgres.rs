//! PostgreSQL.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::engine::{Engine, Place};
use super::folder::Folder;
use super::programs::{self, Package};
use super::{Error, process};

pub(crate) struct Postgres;

impl Engine for Postgres {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn prefix(&self) -> &'static str {
        "annals-pg"
    }

    fn account(&self) -> &'static str {
        "postgres"
    }

    fn programs(&self) -> Result<PathBuf, Error> {
        let package = Package {
            program: "postgres",
            name: "postgresql",
            what: "PostgreSQL 12 or newer, with `pg_config` or `postgres` on the path",
        };
        package.find(programs)
    }

    fn create(&self, programs: &Path, folder: &Folder) -> Result<(), Error> {
        let mut initdb = under(folder.account(), &programs.join("initdb"));
        initdb.arg("-D").arg(folder.data()).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]);
        process::succeed(&mut initdb).map(|_| ())
    }

    fn command(&self, programs: &Path, place: Place<'_>, settings: &[(String, String)]) -> Command {
        let mut server = under(place.folder.account(), &programs.join("postgres"));
        server.arg("-D").arg(place.folder.data());
        server.arg("-c").arg(format!("port={}", place.port)).args(["-c", "listen_addresses=127.0.0.1"]);
        server.arg("-c").arg(format!("unix_socket_directories={}", place.folder.run().display()));
        for (name, value) in settings {
            server.arg("-c").arg(format!("{name}={value}"));
        }
        server
    }

    /// While it starts or recovers, the server takes connections and answers each with an error.
    fn answers(&self, place: Place<'_>) -> bool {
        greeted(&self.socket(place)).unwrap_or(false)
    }

    /// A "fast" shutdown: open transactions are rolled back.
    fn stop_signal(&self) -> &'static str {
        "INT"
    }

    fn end_signal(&self) -> &'static str {
        "QUIT"
    }

    fn socket(&self, place: Place<'_>) -> PathBuf {
        place.folder.run().join(format!(".s.PGSQL.{}", place.port))
    }

    fn url(&self, place: Place<'_>) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", place.port)
    }

    fn socket_url(&self, place: Place<'_>) -> String {
        format!("postgres://postgres@localhost:{}/postgres?host={}", place.port, place.folder.run().display())
    }

    /// A killed server leaves a small segment of shared memory; its number is the last word of the seventh line.
    fn tidy(&self, folder: &Folder) {
        let file = fs::read_to_string(folder.data().join("postmaster.pid")).unwrap_or_default();
        let segment = file.lines().nth(6).and_then(|line| line.split_whitespace().last());
        if let Some(segment) = segment {
            let _ = process::output(Command::new("ipcrm").args(["-m", segment]));
        }
    }
}

/// `program` under another account. Unlike `runuser`, `setpriv` becomes the program instead of waiting for it, so that
/// the process that we start is the server.
fn under(account: Option<&str>, program: &Path) -> Command {
    let Some(account) = account else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args(["--reuid", account, "--regid", account, "--init-groups", "--"]).arg(program);
    command
}

fn programs() -> Option<PathBuf> {
    let has_server = |folder: &PathBuf| folder.join("postgres").is_file() && folder.join("initdb").is_file();
    configured().filter(has_server).or_else(|| newest_of_debian().filter(has_server)).or_else(|| {
        let server = programs::on_path("postgres")?.canonicalize().ok()?;
        server.parent().map(Path::to_owned).filter(has_server)
    })
}

/// What `pg_config` says, if it is there.
fn configured() -> Option<PathBuf> {
    let output = process::output(Command::new("pg_config").arg("--bindir")).ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

/// Debian keeps each version in a folder of its own, off the path.
fn newest_of_debian() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max()?;
    Some(Path::new("/usr/lib/postgresql").join(newest.to_string()).join("bin"))
}

/// Whether a start-up message is answered with the request for, or the grant of, an authentication (`R`).
///
/// Source: PostgreSQL manual, "Frontend/Backend Protocol", message formats.
fn greeted(socket: &Path) -> std::io::Result<bool> {
    let mut server = UnixStream::connect(socket)?;
    server.set_read_timeout(Some(Duration::from_secs(5)))?;
    let body = b"user\0postgres\0database\0postgres\0\0";
    let mut message = u32::try_from(body.len() + 8).unwrap_or(0).to_be_bytes().to_vec();
    message.extend((3_u32 << 16).to_be_bytes());
    message.extend(body);
    server.write_all(&message)?;
    let mut kind = [0];
    server.read_exact(&mut kind)?;
    // A polite end; whether it arrives does not matter.
    let _ = server.write_all(&[b'X', 0, 0, 0, 4]);
    Ok(kind == *b"R")
}
