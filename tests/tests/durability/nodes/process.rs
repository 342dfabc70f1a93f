//! A node as a process of its own.

use std::io::Read as _;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::watch;

#[cfg(feature = "servers")]
use super::super::proxy::Proxy;
use super::database::Database;
use super::domain;

/// What a child is told, in its environment.
const URL: &str = "ANNALS_TEST_NODE_URL";
const NAME: &str = "ANNALS_TEST_NODE_NAME";
const LEASE: &str = "ANNALS_TEST_NODE_LEASE_MS";
const HOURS: &str = "ANNALS_TEST_NODE_CLOCK_HOURS";
/// What a child says when it works.
const READY: &str = "ready";
/// What children are to log, as in `annals=debug`.
const LOG: &str = "ANNALS_TEST_LOG";

/// What the children of the tests do; nothing when it is run as a test: works until its standard input ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(url) = std::env::var(URL) else { return };
    let said = |name: &str| std::env::var(name).unwrap();
    if let Ok(filter) = std::env::var(LOG) {
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr).init();
    }
    let lease = Duration::from_millis(said(LEASE).parse().unwrap());
    let app = domain::node(&url, &said(NAME), lease, said(HOURS).parse().unwrap()).start().await.unwrap();
    println!("\n{READY}");
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    ended.await.unwrap().unwrap();
    app.shutdown().await.unwrap();
}

/// How a node is started.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Added to the database's address.
    pub(super) parameters: &'static str,
    pub(super) lease: Duration,
    /// By how many hours its clock is wrong.
    pub(super) hours: i64,
}

pub(super) struct Node {
    pub(super) name: String,
    process: Child,
    input: Option<ChildStdin>,
    /// Every connection to a server goes through it.
    #[cfg(feature = "servers")]
    proxy: Option<Proxy>,
    /// What it has said, line by line.
    said: watch::Receiver<Vec<String>>,
}

impl Node {
    pub(super) async fn start(database: &Database, name: String, settings: &Settings) -> Self {
        let url = database.url();
        #[cfg(feature = "servers")]
        let (url, proxy) = match database.port() {
            None => (url, None),
            Some(port) => {
                let proxy = Proxy::to(port).await;
                (url.replace(&format!(":{port}"), &format!(":{}", proxy.port())), Some(proxy))
            }
        };
        let url = url + settings.parameters;
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "nodes::process::child", "--nocapture"])
            .env(URL, url)
            .env(NAME, &name)
            .env(LEASE, settings.lease.as_millis().to_string())
            .env(HOURS, settings.hours.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (says, said) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                says.send_modify(|said| said.push(line));
            }
        });
        Self {
            name,
            input: process.stdin.take(),
            process,
            #[cfg(feature = "servers")]
            proxy,
            said,
        }
    }

    /// Waits until it works; `false` when it ends before.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.said.wait_for(|said| said.iter().any(|line| line == READY)).await.is_ok()
    }

    #[cfg(feature = "servers")]
    pub(super) fn has_said(&self, what: &str) -> bool {
        self.said.borrow().iter().any(|line| line == what)
    }

    pub(super) fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// As by `kill -9`.
    pub(super) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Ends it in order.
    pub(super) async fn leave(mut self) {
        drop(self.input.take());
        assert!(self.process.wait().await.unwrap().success(), "{} did not leave in order", self.name);
    }

    /// Stops it in the middle of whatever it does.
    pub(super) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(super) fn thaw(&self) {
        self.signal("CONT");
    }

    /// Cuts all of its connections.
    #[cfg(feature = "servers")]
    pub(super) fn cut(&self) {
        if let Some(proxy) = &self.proxy {
            proxy.cut();
        }
    }

    fn signal(&self, signal: &str) {
        let Some(id) = self.process.id() else { return };
        let sent = std::process::Command::new("kill").args(["-s", signal, &id.to_string()]).status();
        assert!(sent.unwrap().success(), "no signal {signal} for {}", self.name);
    }
}
