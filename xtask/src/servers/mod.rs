//! Private database servers, started from installed programs and gone with whoever started them.
//!
//! Each server has a folder of its own with its data, its Unix socket and its log, and a free port on 127.0.0.1. Settings
//! are the server's defaults, so commits are as durable as they are for users. As root, the servers run under the
//! accounts that their packages made (`postgres`, `mysql`), since they refuse to be root; else as oneself.
//!
//! A server ends when its [`Server`] is dropped, and also when this process ends in any other way: a small shell
//! (the module `guardian`) waits for that and cleans up.
//!
//! Everything blocks; from asynchronous code, call it where blocking is allowed. Unix only.
//!
//! ```no_run
//! use xtask::servers::{Kind, Server};
//!
//! let mut server = Server::start(Kind::Postgres)?;
//! println!("{}", server.url());
//! server.kill()?; // as by `kill -9`
//! server.restart()?; // same port, same data
//! # Ok::<(), xtask::servers::Error>(())
//! ```

mod engine;
mod error;
mod folder;
mod guardian;
mod mariadb;
mod postgres;
mod process;
mod programs;
mod server;
mod url;

pub use error::Error;
pub use server::{Kind, Options, Server};
pub use url::database_url;
