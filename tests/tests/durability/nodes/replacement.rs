//! In what time a node is replaced, and that it is harmless when it comes back.

use std::time::{Duration, Instant};

use xtask::servers::{Kind, Server};

use super::super::chance::Chance;
use super::database::Database;
use super::domain::{HELD, HOLD, HOLDING};
use super::process::Settings;
use super::stage::Stage;

/// What it may take beyond the lease, or where the store itself tells that a node has died.
const SOON: Duration = Duration::from_secs(3);
/// After which the server ends a transaction that is left alone, as in the parameters below.
const LEFT_ALONE: Duration = Duration::from_secs(2);

/// Short pages, and a transaction that is left alone ends soon.
fn settings(kind: Kind, lease: Duration) -> Settings {
    let parameters = if kind == Kind::Postgres { "?transaction_timeout=2" } else { "?transaction-timeout=2" };
    Settings { parameters, lease, hours: 0 }
}

async fn stage(server: &Server, lease: Duration) -> Stage {
    Stage::set(Database::on(server).await, settings(server.kind(), lease)).await
}

/// The connection of its sign of life ends with it, so that nobody waits for its lease.
async fn a_killed_node_is_replaced(kind: Kind) {
    let server = Server::start(kind).unwrap();
    let mut stage = stage(&server, Duration::from_secs(30)).await;
    let mut chance = Chance::new();
    for _ in 0..3 {
        stage.append(&mut chance, 3).await;
        let node = stage.nodes.remove(0);
        let id = stage.id_of(&node.name).await;
        node.kill().await;
        let took = stage.is_replaced(&id).await;
        println!("a killed node was replaced after {took:?}");
        assert!(took < SOON, "{took:?}");
        stage.add_node(0).await;
        stage.settle().await;
        stage.judge().await;
    }
    stage.end().await;
}

/// It is replaced when its lease is over. Thawed it goes on with what it had begun, under claims that are not its own any
/// more, and must not write.
async fn a_frozen_node_is_replaced_and_comes_back(kind: Kind) {
    let server = Server::start(kind).unwrap();
    let lease = Duration::from_secs(1);
    let mut stage = stage(&server, lease).await;
    let mut chance = Chance::new();
    for _ in 0..3 {
        let id = stage.id_of(&stage.nodes[0].name).await;
        // Most often in the middle of something, perhaps of a transaction.
        stage.append(&mut chance, 2).await;
        stage.nodes[0].freeze();
        let took = stage.is_replaced(&id).await;
        println!("a frozen node was replaced after {took:?}");
        assert!(took < lease + LEFT_ALONE + SOON, "{took:?}");
        stage.append(&mut chance, 2).await;
        let all = 2 * stage.read_events().await;
        stage.rows(all).await;
        stage.nodes[0].thaw();
        stage.settle().await;
        stage.judge().await;
    }
    // With nothing to do it is in the middle of nothing.
    for node in 0..3 {
        let id = stage.id_of(&stage.nodes[node].name).await;
        stage.nodes[node].freeze();
        let took = stage.is_replaced(&id).await;
        println!("a frozen node with nothing to do was replaced after {took:?}");
        assert!(took < lease + SOON, "{took:?}");
        stage.nodes[node].thaw();
        stage.settle().await;
    }
    stage.end().await;
}

/// A node that hangs in the middle of a transaction has locked its segments, and whoever wants them waits until the server
/// ends the transaction.
async fn a_transaction_that_is_left_alone_ends(kind: Kind) {
    let server = Server::start(kind).unwrap();
    let lease = Duration::from_secs(1);
    let mut stage = stage(&server, lease).await;
    stage.append_one("held", HOLD).await;
    let begun = Instant::now();
    let holder = loop {
        if let Some(holder) = stage.nodes.iter().position(|node| node.has_said(HOLDING)) {
            break holder;
        }
        assert!(begun.elapsed() < SOON, "nobody handles it");
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    stage.nodes[holder].freeze();
    let frozen = Instant::now();
    stage.rows(2).await;
    let took = frozen.elapsed();
    println!("a node that hung in a transaction was replaced after {took:?}");
    assert!(took > LEFT_ALONE, "its transaction was not in the way: {took:?}");
    assert!(took < lease + LEFT_ALONE + HELD + SOON, "{took:?}");
    stage.nodes[holder].thaw();
    stage.settle().await;
    stage.judge().await;
    stage.end().await;
}

macro_rules! on_each_server {
    ($($module:ident: $kind:ident),+) => {$(
        mod $module {
            use super::Kind;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_killed_node_is_replaced_at_once() {
                super::a_killed_node_is_replaced(Kind::$kind).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_frozen_node_is_replaced_after_its_lease_and_is_harmless_when_it_comes_back() {
                super::a_frozen_node_is_replaced_and_comes_back(Kind::$kind).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_node_that_hangs_in_a_transaction_holds_others_up_for_a_stated_time() {
                super::a_transaction_that_is_left_alone_ends(Kind::$kind).await;
            }
        }
    )+};
}

on_each_server!(postgres: Postgres, mariadb: MariaDb);
