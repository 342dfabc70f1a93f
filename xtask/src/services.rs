//! `cargo xtask services`: private servers for work by hand.

use std::thread;
use std::time::Duration;

use clap::Args;
use xtask::servers::{Kind, Server};

use crate::step::Failure;
use crate::test::variable;

/// Start a private PostgreSQL and a private MariaDB, and print their addresses; Ctrl-C stops both and removes their data.
///
/// They listen on free ports of 127.0.0.1 and on Unix sockets, ask for no password, and keep their data among the
/// system's temporary files. As root on Debian, what is not installed is installed.
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> Result<(), Failure> {
    let mut servers = [Server::start(Kind::Postgres)?, Server::start(Kind::MariaDb)?];
    for server in &servers {
        println!("{:?}: {}\n  or: {}", server.kind(), server.url(), server.socket_url());
    }
    println!("\nfor `cargo test --features servers`:");
    for server in &servers {
        println!("export {}={}", variable(server.kind()), server.url());
    }
    println!("\nCtrl-C stops both and removes their data");
    loop {
        thread::sleep(Duration::from_millis(500));
        for server in &mut servers {
            if !server.is_running() {
                return Err(Failure::Ended { server: format!("{:?}", server.kind()), log: server.log() });
            }
        }
    }
}
