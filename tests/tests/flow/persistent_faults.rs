//! Persistent subscriptions when processes die and connections break.

use std::time::Duration;

use annals::subscription::{ConsumerConfig, SubscriptionConfig};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::given::{Lasting, PATIENCE, app};
use crate::persistent::journeys;

fn config(buffer: usize) -> ConsumerConfig {
    let mut config = ConsumerConfig::default();
    config.buffer = buffer;
    config.poll = Duration::from_millis(25);
    config
}

/// Consumes on `lasting` until `count` events are there, and is then gone as a process is that is killed: no task of it
/// runs any more, nothing is said to the database.
fn live_and_die(lasting: &Lasting, count: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let remains = runtime.block_on(async {
        let app = lasting.start(app()).await;
        let mut consumer = app.subscriptions().consume("s", config(9)).await.unwrap();
        let mut deliveries = Vec::new();
        for _ in 0..count {
            deliveries.push(timeout(PATIENCE, consumer.next()).await.unwrap().unwrap().unwrap());
        }
        (app, consumer, deliveries)
    });
    runtime.shutdown_background();
    // Dropping it would be a farewell.
    std::mem::forget(remains);
}

#[tokio::test]
async fn a_consumer_that_dies_without_a_word_is_replaced() {
    for lasting in Lasting::each() {
        let app = lasting.start(app()).await;
        let mut settings = SubscriptionConfig::default();
        settings.consumer_time = Duration::from_secs(1);
        app.subscriptions().create("s", settings).await.unwrap();
        journeys(&app, &["a"], 3).await;
        std::thread::scope(|scope| scope.spawn(|| live_and_die(&lasting, 3)).join().unwrap());
        let status = app.subscriptions().status("s").await.unwrap();
        assert_eq!((status.out, status.consumers.len()), (3, 1));
        let mut consumer = app.subscriptions().consume("s", config(9)).await.unwrap();
        for position in 1..=3 {
            let delivery = timeout(PATIENCE, consumer.next()).await.unwrap().unwrap().unwrap();
            assert_eq!((delivery.position().get(), delivery.attempt()), (position, 2));
            assert_eq!(delivery.last_failure(), Some("its consumer is gone"));
            delivery.ack().await.unwrap();
        }
        let status = app.subscriptions().status("s").await.unwrap();
        assert_eq!((status.out, status.consumers.len()), (0, 1));
        app.shutdown().await.unwrap();
    }
}

/// Guarantee 13: connections are cut again and again, in the middle of transactions and commits: nothing is lost, and consumers go on by
/// themselves.
#[cfg(feature = "servers")]
mod cut {
    use std::collections::BTreeSet;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use annals::subscription::{AnswerError, Nack, SubscriptionConfig};
    use annals_tests::servers::Server;
    use futures_util::StreamExt;
    use sqlx::{Connection, Row};

    use super::config;
    use crate::given::{Dice, Lasting, app, eventually};
    use crate::persistent::journeys;

    async fn cut_connections(server: Server, url: &str) {
        match server {
            Server::Postgres => {
                let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                           WHERE datname = current_database() AND pid <> pg_backend_pid()";
                server.execute(url, sql).await;
            }
            Server::MySql => {
                let mut connection = sqlx::MySqlConnection::connect(url).await.unwrap();
                let sql = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist \
                           WHERE db = DATABASE() AND id <> CONNECTION_ID()";
                for row in sqlx::query(sql).fetch_all(&mut connection).await.unwrap() {
                    let kill = format!("KILL CONNECTION {}", row.get::<i64, _>(0));
                    // It may have ended by itself.
                    let _ = sqlx::raw_sql(sqlx::AssertSqlSafe(kill)).execute(&mut connection).await;
                }
                connection.close().await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn no_event_is_lost_when_connections_are_cut() {
        for server in Server::ALL {
            let lasting = Lasting::Server(server, tokio::sync::OnceCell::default());
            let app = lasting.start(app()).await;
            let mut settings = SubscriptionConfig::default();
            // So long that nothing is saved by a time that is over.
            settings.message_time = Duration::from_secs(600);
            settings.consumer_time = Duration::from_secs(600);
            settings.retries = 1_000;
            settings.pause = Duration::ZERO;
            app.subscriptions().create("s", settings).await.unwrap();
            journeys(&app, &["a", "b"], 150).await;
            let done: Arc<Mutex<BTreeSet<u64>>> = Arc::default();
            let mut tasks = Vec::new();
            for number in 0..3 {
                let mut consumer = app.subscriptions().consume("s", config(5)).await.unwrap();
                let done = Arc::clone(&done);
                tasks.push(tokio::spawn(async move {
                    let mut dice = Dice::seeded(number + 1);
                    while let Some(delivery) = consumer.next().await.transpose().unwrap() {
                        let position = delivery.position().get();
                        let answer = match dice.below(5) {
                            0 => delivery.nack(Nack::Retry).await.map(|()| false),
                            _ => delivery.ack().await.map(|()| true),
                        };
                        match answer {
                            Ok(true) => drop(done.lock().unwrap().insert(position)),
                            // It may have been written, and then nobody gets it again.
                            Err(AnswerError::Unavailable { .. }) => drop(done.lock().unwrap().insert(position)),
                            _ => {}
                        }
                    }
                }));
            }
            for _ in 0..8 {
                tokio::time::sleep(Duration::from_millis(40)).await;
                cut_connections(server, &lasting.url()).await;
            }
            let settled = async || {
                let status = app.subscriptions().status("s").await.ok()?;
                (status.out + status.waiting == 0 && status.position.get() == 150).then_some(status.parked)
            };
            assert_eq!(eventually("everything is answered", settled).await, 0);
            // An answer whose commit was in doubt comes back when it was settled.
            let answered = async || (*done.lock().unwrap() == (1..=150).collect()).then_some(());
            eventually("every answer has come back", answered).await;
            app.shutdown().await.unwrap();
            for task in tasks {
                task.await.unwrap();
            }
        }
    }
}
