//! Rounds in which everything that can befall nodes befalls three of them, while somebody appends.

use std::time::{Duration, Instant};

use super::super::chance::Chance;
use super::chaos::{Blow, Chaos};
use super::database::Database;
use super::process::Settings;
use super::stage::Stage;

/// Rounds on one database.
const ON_ONE: usize = 10;
/// How many rounds there are, and with which seed, in the environment.
const ROUNDS: &str = "ANNALS_TEST_ROUNDS";
const SEED: &str = "ANNALS_TEST_SEED";

fn said<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Short enough that its end is met in each round.
fn settings(parameters: &'static str) -> Settings {
    Settings { parameters, lease: Duration::from_secs(1), hours: 0 }
}

/// Plays `rounds` rounds, or as many as the environment says, each with some of `blows`.
async fn play(database: impl AsyncFn() -> Database, parameters: &'static str, blows: &[Blow], rounds: usize) {
    let mut chance = said(SEED).map_or_else(Chance::new, Chance::seeded);
    let rounds = said(ROUNDS).unwrap_or(rounds);
    let (begun, mut events) = (Instant::now(), 0);
    for first in (0..rounds).step_by(ON_ONE) {
        let mut stage = Stage::set(database().await, settings(parameters)).await;
        for round in first..rounds.min(first + ON_ONE) {
            play_one(&mut stage, &mut chance, blows, round).await;
        }
        events += stage.events();
        stage.end().await;
    }
    println!("{rounds} rounds, {events} events, {:?}", begun.elapsed());
}

async fn play_one(stage: &mut Stage, chance: &mut Chance, blows: &[Blow], round: usize) {
    let begun = Instant::now();
    let mut chaos = Chaos::new(stage, chance);
    for _ in 0..3 + chaos.chance.below(4) {
        let waves = 1 + chaos.chance.below(5);
        chaos.stage.append(chaos.chance, waves).await;
        let blow = blows[usize::try_from(chaos.chance.below(blows.len() as u64)).unwrap()];
        chaos.strike(blow).await;
        chaos.thaw(false).await;
    }
    chaos.stage.append(chaos.chance, 2).await;
    chaos.end().await;
    let told = std::mem::take(&mut chaos.told);
    println!("round {round}: {}", told.join(", "));
    stage.settle().await;
    stage.judge().await;
    println!("round {round}: {} events, {:?}", stage.events(), begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_on_a_sqlite_file_handle_each_event_once_whatever_befalls_them() {
    play(async || Database::file(), "", Blow::ON_A_FILE, 5).await;
}

#[cfg(feature = "servers")]
mod servers {
    use xtask::servers::{Kind, Server};

    use super::*;

    /// A transaction that is left alone holds the others up for so long.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn three_nodes_on_postgres_handle_each_event_once_whatever_befalls_them() {
        let server = Server::start(Kind::Postgres).unwrap();
        let parameters = "?transaction_timeout=2";
        play(async || Database::on(&server).await, parameters, Blow::ALL, 12).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn three_nodes_on_mariadb_handle_each_event_once_whatever_befalls_them() {
        let server = Server::start(Kind::MariaDb).unwrap();
        play(async || Database::on(&server).await, "?transaction-timeout=2", Blow::ALL, 5).await;
    }
}
