//! One running server.

use std::env;
use std::fs::OpenOptions;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use super::engine::{Engine, Place};
use super::folder::{self, Folder};
use super::guardian::Guardian;
use super::mariadb::MariaDb;
use super::postgres::Postgres;
use super::{Error, process};

/// How long a server may take to answer after its start, or to end after it was told to: recovery on a slow disk.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many free ports are tried: somebody else may take one between our look and the server's.
const PORTS: u32 = 5;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// PostgreSQL, the newest one that is installed.
    Postgres,
    /// MariaDB, for everything that speaks MySQL's protocol.
    MariaDb,
}

impl Kind {
    fn engine(self) -> &'static dyn Engine {
        match self {
            Self::Postgres => &Postgres,
            Self::MariaDb => &MariaDb,
        }
    }
}

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    parent: Option<PathBuf>,
    settings: Vec<(String, String)>,
}

impl Options {
    /// The defaults: a folder among the system's temporary files, and the server's own settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts the server's folder into `parent`, which the server's account must be able to enter.
    #[must_use]
    pub fn in_folder(mut self, parent: impl Into<PathBuf>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// Sets `name` as on the server's command line, such as `max_connections` to `10`.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }
}

/// A private server. Dropping it stops the server and removes its data.
pub struct Server {
    kind: Kind,
    programs: PathBuf,
    settings: Vec<(String, String)>,
    port: u16,
    /// `None` while it is stopped.
    process: Option<Child>,
    folder: Folder,
    guardian: Guardian,
}

impl Server {
    /// Starts an empty server and waits until it answers. Takes about a second.
    ///
    /// # Errors
    /// [`Error::Missing`] when it is not installed; [`Error::Start`] when it does not answer within a minute.
    pub fn start(kind: Kind) -> Result<Self, Error> {
        Self::start_with(kind, Options::new())
    }

    /// Starts an empty server as `options` say.
    ///
    /// # Errors
    /// Those of [`Server::start`]; [`Error::SocketPath`] when the chosen folder has too long a path for a socket.
    pub fn start_with(kind: Kind, options: Options) -> Result<Self, Error> {
        let engine = kind.engine();
        let programs = engine.programs()?;
        let parent = options.parent.unwrap_or_else(env::temp_dir);
        let folder = Folder::create(&parent, engine.prefix(), engine.account())?;
        let guardian = Guardian::over(folder.path(), engine.end_signal())?;
        let mut server = Self { kind, programs, settings: options.settings, port: 0, process: None, folder, guardian };
        folder::check_socket(&engine.socket(Place { folder: &server.folder, port: u16::MAX }))?;
        engine.create(&server.programs, &server.folder)?;
        server.start_on_a_free_port()?;
        Ok(server)
    }

    /// Which server it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The address over TCP, without a password, of the database that every such server has (`postgres`, `mysql`). Any
    /// other database is made with SQL and reached with [`super::database_url`]. A restart does not change it.
    pub fn url(&self) -> String {
        self.engine().url(self.place())
    }

    /// The address over the Unix socket, else like [`Server::url`].
    pub fn socket_url(&self) -> String {
        self.engine().socket_url(self.place())
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the server, which goes away with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The last lines of the server's log.
    pub fn log(&self) -> String {
        self.folder.end_of_log()
    }

    /// Whether the server's process is there, answering or not.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| matches!(process.try_wait(), Ok(None)))
    }

    /// Kills the server and all of its processes, as by `kill -9` or a crash of the machine: nothing is written back.
    ///
    /// # Errors
    /// [`Error::Io`] when the system does not let us.
    pub fn kill(&mut self) -> Result<(), Error> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        let all = with_children(process.id());
        process::signal("KILL", &all)?;
        process.wait().map_err(Error::io("the killed server"))?;
        self.guardian.watch(None)?;
        // A new server refuses to start while a process of the old one holds its memory.
        self.wait_until("does not end though it was killed", || all.iter().all(|one| !process::is_alive(*one)))
    }

    /// Stops the server in an orderly way: connections are cut, open transactions rolled back, everything written.
    ///
    /// # Errors
    /// [`Error::Start`] when it has not ended within a minute.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.end_by(self.engine().stop_signal())
    }

    /// Starts the server again, on the same data and the same port. One that runs is stopped before.
    ///
    /// # Errors
    /// Those of [`Server::start`].
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop()?;
        self.spawn()?;
        self.wait_for_answer()
    }

    /// Freezes the server: connections stay, but nothing is answered. [`Server::resume`] ends it.
    ///
    /// # Errors
    /// [`Error::Io`] when the system does not let us.
    pub fn pause(&mut self) -> Result<(), Error> {
        self.signal_all("STOP")
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// [`Error::Io`] when the system does not let us.
    pub fn resume(&mut self) -> Result<(), Error> {
        self.signal_all("CONT")
    }

    fn engine(&self) -> &'static dyn Engine {
        self.kind.engine()
    }

    fn place(&self) -> Place<'_> {
        Place { folder: &self.folder, port: self.port }
    }

    fn start_on_a_free_port(&mut self) -> Result<(), Error> {
        let mut tries = 1;
        loop {
            self.port = free_port()?;
            self.spawn()?;
            match self.wait_for_answer() {
                // It has ended by itself, most likely because of the port.
                Err(Error::Start { .. }) if tries < PORTS && !self.is_running() => tries += 1,
                outcome => return outcome,
            }
        }
    }

    fn spawn(&mut self) -> Result<(), Error> {
        let log = || OpenOptions::new().create(true).append(true).open(self.folder.log());
        let (output, errors) = (log().map_err(Error::io("log"))?, log().map_err(Error::io("log"))?);
        let mut command = self.engine().command(&self.programs, self.place(), &self.settings);
        // A group of its own: Ctrl-C in a terminal is for us, who then stop it.
        command.current_dir("/").process_group(0).stdin(Stdio::null()).stdout(output).stderr(errors);
        let process = command.spawn().map_err(Error::io(format!("{} could not be run", self.engine().name())))?;
        let number = process.id();
        self.process = Some(process);
        self.guardian.watch(Some(number))
    }

    fn wait_for_answer(&mut self) -> Result<(), Error> {
        let engine = self.engine();
        let answers = process::poll(PATIENCE, || match self.is_running() {
            true => Ok(engine.answers(self.place()).then_some(())),
            false => Err(self.fault("ended before it answered")),
        })?;
        answers.ok_or_else(|| self.fault("does not answer"))
    }

    fn end_by(&mut self, signal: &str) -> Result<(), Error> {
        let Some(process) = &self.process else { return Ok(()) };
        let number = process.id();
        process::signal("CONT", &with_children(number))?;
        process::signal(signal, &[number])?;
        let ended = process::poll(PATIENCE, || Ok((!self.is_running()).then_some(())))?;
        if ended.is_none() {
            return Err(self.fault("does not end though it was told to"));
        }
        self.process = None;
        self.guardian.watch(None)
    }

    fn signal_all(&mut self, signal: &str) -> Result<(), Error> {
        self.process.as_ref().map_or(Ok(()), |process| process::signal(signal, &with_children(process.id())))
    }

    fn wait_until(&self, otherwise: &str, mut holds: impl FnMut() -> bool) -> Result<(), Error> {
        let held = process::poll(PATIENCE, || Ok(holds().then_some(())))?;
        held.ok_or_else(|| self.fault(otherwise))
    }

    fn fault(&self, what: &str) -> Error {
        Error::Start { server: self.engine().name(), what: what.to_owned(), log: self.log() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_none() {
            self.engine().tidy(&self.folder);
        } else if self.end_by(self.engine().end_signal()).is_err() {
            let _ = self.kill();
            self.engine().tidy(&self.folder);
        }
        // The guardian goes next, and the folder with it.
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("kind", &self.kind).field("url", &self.url()).finish_non_exhaustive()
    }
}

fn with_children(process: u32) -> Vec<u32> {
    let mut all = process::children(process);
    all.push(process);
    all
}

fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(Error::io("no free port on 127.0.0.1"))?;
    Ok(listener.local_addr().map_err(Error::io("the address of a free port"))?.port())
}
