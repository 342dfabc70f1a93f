//! What an application asks of its database when there is nothing to do.

use std::time::Duration;

use annals::Annals;
use annals::prelude::*;
use xtask::servers::{Kind, Server};

use super::database::Database;
use super::domain::Counted;

/// How long statements are counted, and how often until they are few.
const SECONDS: i64 = 4;
const WINDOWS: usize = 6;
/// Statements of a node in a second that are few.
const FEW: i64 = 10;

macro_rules! handlers {
    ($($handler:ident $processor:literal)*) => {
        $(
            #[derive(Default)]
            struct $handler;

            #[event_handlers(processor = $processor)]
            impl $handler {
                #[handle]
                async fn counted(&self, _event: &Counted) -> Result<(), HandlerError> {
                    Ok(())
                }
            }
        )*

        fn with_all() -> annals::app::Builder {
            Annals::builder().without_discovery()$(.include::<$handler>())*
        }
    };
}
handlers! {
    A "a" B "b" C "c" D "d" E "e" F "f" G "g" H "h" I "i" J "j"
}

/// Counts statements by `count` while an application with ten processors has nothing to do.
async fn asks_little(kind: Kind, count: &str) {
    let server = Server::start(kind).unwrap();
    let database = Database::on(&server).await;
    for nodes in [1, 3] {
        let mut apps = Vec::new();
        for _ in 0..nodes {
            apps.push(with_all().store(database.url()).start().await.unwrap());
        }
        let begun = std::time::Instant::now();
        let claimed = "SELECT count(*) FROM annals_segments WHERE owner IS NOT NULL";
        while database.number(claimed).await < 160 {
            assert!(begun.elapsed() < super::stage::PATIENCE, "not everything is claimed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Segments are shared out first, and a server counts some statements late.
        let mut windows = Vec::new();
        while windows.last().is_none_or(|statements| *statements >= nodes * FEW * SECONDS) {
            assert!(windows.len() < WINDOWS, "{nodes} nodes: {windows:?} statements in {SECONDS} seconds each");
            let before = database.number(count).await;
            tokio::time::sleep(Duration::from_secs(SECONDS.unsigned_abs())).await;
            windows.push(database.number(count).await - before);
        }
        println!("{nodes} nodes: {windows:?} statements in {SECONDS} seconds each");
        for app in apps {
            app.shutdown().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_processors_with_nothing_to_do_ask_little_of_postgres() {
    let count = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    asks_little(Kind::Postgres, count).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_processors_with_nothing_to_do_ask_little_of_mariadb() {
    let count = "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status \
                 WHERE variable_name = 'questions'";
    asks_little(Kind::MariaDb, count).await;
}
