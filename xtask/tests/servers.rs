//! Private servers start, take connections, die and come back, and leave nothing behind.

#![cfg(feature = "servers")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use xtask::servers::{Error, Kind, Options, Server};

const KINDS: [Kind; 2] = [Kind::Postgres, Kind::MariaDb];

fn takes_connections(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_server_takes_connections_until_it_is_dropped() {
    for kind in KINDS {
        let server = Server::start(kind).unwrap();
        let (port, folder) = (server.port(), server.folder().to_owned());
        assert!(takes_connections(port));
        assert!(server.url().contains(&format!("127.0.0.1:{port}/")));
        drop(server);
        assert!(!takes_connections(port), "{kind:?} outlived its owner");
        assert!(!folder.exists(), "{kind:?} left its folder");
    }
}

#[test]
fn a_killed_server_comes_back_at_the_same_address() {
    for kind in KINDS {
        let mut server = Server::start(kind).unwrap();
        let url = server.url();
        for _ in 0..3 {
            server.kill().unwrap();
            assert!(!server.is_running());
            assert!(!takes_connections(server.port()));
            server.restart().unwrap();
            assert!(takes_connections(server.port()));
        }
        assert_eq!(server.url(), url);
    }
}

#[test]
fn a_frozen_server_can_go_on_and_can_be_dropped() {
    for kind in KINDS {
        let mut server = Server::start(kind).unwrap();
        server.pause().unwrap();
        assert!(server.is_running());
        server.resume().unwrap();
        server.stop().unwrap();
        server.restart().unwrap();
        server.pause().unwrap();
        let port = server.port();
        drop(server);
        assert!(!takes_connections(port));
    }
}

#[test]
fn a_wrong_setting_is_reported_with_the_log() {
    for kind in KINDS {
        let options = Options::new().set("no_such_setting", "1");
        let Err(error) = Server::start_with(kind, options) else { panic!("{kind:?} took a wrong setting") };
        assert!(matches!(error, Error::Start { .. }), "{error}");
        assert!(error.to_string().contains("no_such_setting"), "{error}");
    }
}

#[test]
fn a_folder_with_too_long_a_path_is_refused() {
    let folder = std::env::temp_dir().join("x".repeat(100));
    std::fs::create_dir_all(&folder).unwrap();
    let outcome = Server::start_with(Kind::MariaDb, Options::new().in_folder(&folder));
    assert!(matches!(outcome, Err(Error::SocketPath { .. })), "{outcome:?}");
    std::fs::remove_dir(&folder).expect("the refused server leaves nothing in it");
}

/// `cargo xtask services`, with the ports that it tells.
fn services() -> (Child, Vec<u16>, Vec<PathBuf>) {
    let program = env!("CARGO_BIN_EXE_xtask");
    let mut child = Command::new(program).arg("services").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let (mut ports, mut folders) = (Vec::new(), Vec::new());
    for line in lines.by_ref().take_while(|line| !line.starts_with("Ctrl-C")) {
        if let Some((_, port)) = line.strip_prefix("export").and_then(|line| line.split_once("127.0.0.1:")) {
            ports.push(port.split('/').next().unwrap().parse().unwrap());
        }
        if let Some((_, socket)) = line.split_once("host=").or_else(|| line.split_once("socket=")) {
            folders.extend(Path::new(socket).ancestors().find(|path| path.join("data").exists()).map(Path::to_owned));
        }
    }
    (child, ports, folders)
}

#[test]
fn servers_do_not_outlive_a_process_that_is_interrupted_or_killed() {
    for signal in ["INT", "KILL"] {
        let (mut child, ports, folders) = services();
        assert_eq!((ports.len(), folders.len()), (2, 2));
        assert!(ports.iter().all(|port| takes_connections(*port)));
        let sent = Command::new("sh").args(["-c", &format!("kill -s {signal} {}", child.id())]).status().unwrap();
        assert!(sent.success());
        child.wait().unwrap();
        wait_until("a server outlived its process", || !ports.iter().any(|port| takes_connections(*port)));
        wait_until("a folder outlived its process", || !folders.iter().any(|folder| folder.exists()));
    }
}
