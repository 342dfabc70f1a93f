//! The server dies, or the connection to it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use annals::store::{self, SharedStore};
use uuid::Uuid;
use xtask::servers::{Kind, Server, database_url};

use super::chance::Chance;
use super::processes::kill_writers;
use super::proxy::Proxy;
use super::verdict::Verdict;
use super::writers::{Writer, write};

/// Rounds of each test.
const ROUNDS: usize = 20;
/// The longest time between an acknowledged append and what befalls the server.
const MOMENT: Duration = Duration::from_millis(80);
/// Until writers go on by themselves.
const PATIENCE: Duration = Duration::from_secs(60);

fn start(kind: Kind) -> Server {
    Server::start(kind).unwrap_or_else(|error| panic!("{error}"))
}

/// The address of a new database on `server`, as seen through `port`.
async fn database(server: &Server, port: u16) -> String {
    let admin = server.url();
    let sql = "CREATE DATABASE annals_test";
    match server.kind() {
        Kind::Postgres => {
            use sqlx::Connection as _;
            let mut connection = sqlx::PgConnection::connect(&admin).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
        _ => {
            use sqlx::Connection as _;
            let mut connection = sqlx::MySqlConnection::connect(&admin).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }
    database_url(&admin, "annals_test").replace(&format!(":{}", server.port()), &format!(":{port}"))
}

/// Writers in this process, and what they were told.
struct Writing {
    store: SharedStore,
    acknowledged: Arc<Mutex<Vec<Uuid>>>,
    writers: Vec<Writer>,
}

impl Writing {
    async fn to(url: &str) -> Self {
        let store = store::open(url).await.unwrap();
        let acknowledged: Arc<Mutex<Vec<Uuid>>> = Arc::default();
        let told = Arc::clone(&acknowledged);
        let writers = write(&store, move |id| told.lock().unwrap_or_else(PoisonError::into_inner).push(id));
        Self { store, acknowledged, writers }
    }

    fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Waits until appends were acknowledged that were begun after now.
    async fn goes_on(&self) {
        // Each writer may have one acknowledgement under way.
        let wanted = self.acknowledged() + 2 * self.writers.len();
        let begun = Instant::now();
        while self.acknowledged() < wanted {
            assert!(!self.writers.iter().any(Writer::is_finished), "a writer gave up");
            assert!(begun.elapsed() < PATIENCE, "the writers do not go on by themselves");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Kills the server as by `kill -9` and starts it again, while writers go on.
async fn kill_server(kind: Kind) {
    let mut server = start(kind);
    let url = database(&server, server.port()).await;
    let mut chance = Chance::new();
    let writing = Writing::to(&url).await;
    for _ in 0..ROUNDS {
        writing.goes_on().await;
        tokio::time::sleep(chance.moment(MOMENT)).await;
        tokio::task::block_in_place(|| server.kill().and_then(|()| server.restart()).unwrap());
    }
    judge(writing, &url).await;
}

/// Cuts all connections at random moments, while writers go on.
async fn cut_connections(kind: Kind) {
    let server = start(kind);
    let proxy = Proxy::to(server.port()).await;
    let url = database(&server, proxy.port()).await;
    let mut chance = Chance::new();
    let writing = Writing::to(&url).await;
    for _ in 0..ROUNDS {
        writing.goes_on().await;
        tokio::time::sleep(chance.moment(MOMENT)).await;
        proxy.cut();
    }
    judge(writing, &url).await;
}

async fn judge(writing: Writing, url: &str) {
    writing.goes_on().await;
    drop(writing.writers);
    writing.store.close().await;
    let acknowledged = writing.acknowledged.lock().unwrap().clone();
    let store = store::open(url).await.unwrap();
    Verdict::default().look(&*store, &acknowledged).await;
    println!("{ROUNDS} rounds, {} appends", acknowledged.len());
    store.close().await;
}

macro_rules! on_each_server {
    ($($module:ident: $kind:ident),+) => {$(
        mod $module {
            use super::{Kind, ROUNDS, cut_connections, database, kill_server, kill_writers, start};

            /// Guarantees 1 and 2.
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn writers_killed_lose_and_tear_nothing() {
                let server = start(Kind::$kind);
                kill_writers(&database(&server, server.port()).await, ROUNDS).await;
            }

            /// Guarantees 1, 2 and 5.
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_server_killed_in_the_middle_of_commits_loses_and_tears_nothing() {
                kill_server(Kind::$kind).await;
            }

            /// Guarantees 1, 2 and 5.
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn connections_cut_in_the_middle_of_commits_lose_and_tear_nothing() {
                cut_connections(Kind::$kind).await;
            }
        }
    )+};
}

on_each_server!(postgres: Postgres, mariadb: MariaDb);
