//! Two processes write to one database, and are killed.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use annals::store;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::watch;
use uuid::Uuid;

use super::chance::Chance;
use super::verdict::Verdict;
use super::writers::write;

/// The address of the database, in the environment of the child.
const URL: &str = "ANNALS_TEST_WRITE_TO";
/// The longest time between the first acknowledged append and the kill.
const MOMENT: Duration = Duration::from_millis(60);

/// What the children of the tests below do; nothing when it is run as a test: writes, and prints each append that was
/// acknowledged, until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(url) = std::env::var(URL) else { return };
    let store = store::open(&url).await.unwrap();
    let writers = write(&store, |id| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "ack {id}").and_then(|()| out.flush()).unwrap();
    });
    while !writers.iter().any(super::writers::Writer::is_finished) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a writer gave up");
}

pub(super) struct Child {
    process: tokio::process::Child,
    /// Reads what it says all the time: a process that cannot get rid of it would stop in the middle of an append.
    listener: tokio::task::JoinHandle<()>,
    acknowledged: watch::Receiver<Vec<Uuid>>,
}

impl Child {
    pub(super) fn start(url: &str) -> Self {
        let mut process = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::child", "--nocapture"])
            .env(URL, url)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (sender, acknowledged) = watch::channel(Vec::new());
        let listener = tokio::spawn(async move {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(id) = line.strip_prefix("ack ").and_then(|id| id.parse().ok()) {
                    sender.send_modify(|acknowledged| acknowledged.push(id));
                }
            }
        });
        Self { process, listener, acknowledged }
    }

    /// Waits for an append that was acknowledged; `false` when it ended without one.
    pub(super) async fn acknowledgement(&mut self) -> bool {
        self.acknowledged.wait_for(|acknowledged| !acknowledged.is_empty()).await.is_ok()
    }

    /// Kills it as by `kill -9`; what it said before counts.
    pub(super) async fn kill(mut self) -> Vec<Uuid> {
        self.process.kill().await.unwrap();
        self.listener.await.unwrap();
        self.acknowledged.borrow().clone()
    }
}

/// Starts two processes on the database at `url` and kills them at random moments, `rounds` times.
pub(super) async fn kill_writers(url: &str, rounds: usize) {
    let (mut chance, mut verdict) = (Chance::new(), Verdict::default());
    let mut seen = 0;
    for round in 0..rounds {
        let (mut one, mut two) = (Child::start(url), Child::start(url));
        let (first, second) = tokio::join!(one.acknowledgement(), two.acknowledgement());
        assert!(first && second, "round {round}: both processes write");
        tokio::time::sleep(chance.moment(MOMENT)).await;
        let mut acknowledged = one.kill().await;
        // The other one goes on alone for a while.
        tokio::time::sleep(chance.moment(MOMENT)).await;
        acknowledged.extend(two.kill().await);
        let store = store::open(url).await.unwrap();
        verdict.look(&*store, &acknowledged).await;
        store.close().await;
        assert!(verdict.groups() > seen, "round {round}: something was written");
        seen = verdict.groups();
    }
    println!("{rounds} rounds, {seen} appends");
}

/// Guarantees 1 and 2 on a SQLite file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_killed_on_a_sqlite_file_lose_and_tear_nothing() {
    let directory = tempfile::TempDir::new().unwrap();
    kill_writers(&format!("sqlite://{}", directory.path().join("annals.db").display()), 20).await;
}
