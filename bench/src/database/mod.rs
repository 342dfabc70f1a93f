//! The databases to measure on: their servers, and a fresh database for each round.

mod disk;
mod home;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use clap::ValueEnum;
use serde::Serialize;
use tempfile::TempDir;
use xtask::servers::{Kind, Options, Server};

use crate::Error;

pub(crate) use disk::{filesystem, flush_ms};
pub(crate) use home::Home;

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Database {
    /// No database: the store in the process's own memory.
    #[value(skip)]
    Memory,
    /// A file, with the settings of Annals: WAL, `synchronous = FULL`.
    Sqlite,
    /// A private server with its default settings.
    Postgres,
    /// A private server with its default settings.
    #[value(alias = "mysql")]
    Mariadb,
}

impl Database {
    /// Those that keep something.
    pub(crate) const DURABLE: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Mariadb];

    /// Its name in tables and files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mariadb => "mariadb",
        }
    }
}

/// How clients reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// A Unix socket.
    Socket,
    /// TCP on 127.0.0.1.
    Tcp,
}

/// What holds all databases of a run: a folder, and a server of each kind that is needed.
#[derive(Debug)]
pub(crate) struct Databases {
    folder: TempDir,
    postgres: Option<Server>,
    mariadb: Option<Server>,
    route: Route,
    made: AtomicU32,
}

impl Databases {
    /// Makes a folder in `parent` (default: where the system's temporary files lie on a disk) and starts the servers
    /// that `wanted` needs.
    pub(crate) fn start(wanted: &[Database], parent: Option<&Path>, route: Route) -> Result<Self, Error> {
        let parent = parent.map_or_else(disk::temporary_files, PathBuf::from);
        let server = |database, kind| {
            let wanted = wanted.contains(&database);
            wanted.then(|| Server::start_with(kind, Options::new().in_folder(&parent))).transpose()
        };
        Ok(Self {
            folder: tempfile::Builder::new().prefix("annals-bench-").tempdir_in(&parent)?,
            postgres: server(Database::Postgres, Kind::Postgres)?,
            mariadb: server(Database::Mariadb, Kind::MariaDb)?,
            route,
            made: AtomicU32::new(0),
        })
    }

    /// Where the files lie.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new, empty database.
    pub(crate) async fn fresh(&self, database: Database) -> Result<Home, Error> {
        let name = format!("bench_{}", self.made.fetch_add(1, Ordering::Relaxed));
        match database {
            Database::Memory => Ok(Home::in_memory()),
            Database::Sqlite => Home::in_file(self.folder(), &name),
            Database::Postgres => Home::on_server(database, &self.url(self.postgres.as_ref())?, &name).await,
            Database::Mariadb => Home::on_server(database, &self.url(self.mariadb.as_ref())?, &name).await,
        }
    }

    fn url(&self, server: Option<&Server>) -> Result<String, Error> {
        let server = server.ok_or("the server was not asked for at the start")?;
        Ok(match self.route {
            Route::Socket => server.socket_url(),
            Route::Tcp => server.url(),
        })
    }
}
