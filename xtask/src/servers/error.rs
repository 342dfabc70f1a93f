//! Why a server could not be had.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a server could not be started, stopped or killed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A program of the server is not installed, and could not be.
    Missing {
        /// The program that was looked for.
        program: &'static str,
        /// What to install.
        remedy: String,
    },
    /// A program ran and failed before the server was there.
    Program {
        /// The call, as one would type it.
        call: String,
        /// What it said.
        output: String,
    },
    /// The server ended before it answered, or did not answer in time.
    Start {
        /// The server.
        server: &'static str,
        /// What happened.
        what: String,
        /// The last lines of its log.
        log: String,
    },
    /// The path of the Unix socket is longer than a socket's address can be.
    SocketPath {
        /// The path.
        path: PathBuf,
        /// Longest path in bytes.
        limit: usize,
    },
    /// A file or a process could not be handled.
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: adds what was tried to what the system said.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { program, remedy } => write!(f, "the program `{program}` was not found; {remedy}"),
            Self::Program { call, output } => write!(f, "`{call}` failed:\n{output}"),
            Self::Start { server, what, log } => write!(f, "{server} {what}; the end of its log:\n{log}"),
            Self::SocketPath { path, limit } => write!(
                f,
                "the socket `{}` has a path of more than {limit} bytes; choose a folder with a shorter path",
                path.display()
            ),
            Self::Io { what, source } => write!(f, "{what}: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
