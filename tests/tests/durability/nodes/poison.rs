//! An event at which programs end is put aside after some of them.

use std::time::{Duration, Instant};

use annals::store::{DeadLetter, LetterState};

use super::super::chance::Chance;
use super::database::Database;
use super::domain::{LEDGER, POISON};
use super::process::Settings;
use super::stage::{PATIENCE, Stage};

/// Programs that may end before it is clear at which event. The first two tell only that something is wrong; then it is
/// written down before each event what is tried, and three more end in the middle of the same one. Those that end between
/// may find one of the others first.
const ENDS: u32 = 12;

async fn a_poisonous_event_is_parked(database: Database) {
    let settings = Settings { parameters: "", lease: Duration::from_secs(1), hours: 0 };
    let mut stage = Stage::set(database, settings).await;
    let mut chance = Chance::new();
    stage.append(&mut chance, 2).await;
    stage.settle().await;
    stage.append_one("poisoned", "before").await;
    let poison = stage.append_one("poisoned", POISON).await;
    stage.append_one("poisoned", "behind").await;
    stage.append(&mut chance, 3).await;

    let (begun, mut ends) = (Instant::now(), 0);
    let letters = loop {
        for number in (0..stage.nodes.len()).rev() {
            if !stage.nodes[number].is_running() {
                ends += 1;
                stage.nodes.remove(number);
                stage.add_node(0).await;
            }
        }
        let letters = stage.app.processors().dead_letters(LEDGER).await.unwrap();
        if letters.iter().any(|letter| letter.state == LetterState::Parked) {
            break letters;
        }
        assert!(ends <= ENDS && begun.elapsed() < PATIENCE, "after {ends} ends it is not parked: {letters:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    println!("parked after {ends} programs had ended and {:?}", begun.elapsed());
    let parked = letters.iter().find(|letter| letter.state == LetterState::Parked).unwrap();
    assert_eq!(parked.position, poison.position);
    assert_eq!((parked.event.as_str(), parked.stream.as_str()), ("tally.counted", "tally/poisoned"));
    assert!(parked.error.contains("the program ended"), "{}", parked.error);

    // Everything else goes on: two rows for each event, but for the poison and the one that waits behind it. At which of
    // the two handlers programs end nobody can tell, so that both letters are there.
    let events = stage.read_events().await;
    stage.rows(2 * events - 4).await;
    let waiting = async || stage.app.processors().dead_letters(LEDGER).await.unwrap();
    while waiting().await.len() < 4 {
        assert!(begun.elapsed() < 2 * PATIENCE, "nothing waits behind it");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let of_first = |letter: &DeadLetter| letter.position == poison.position && letter.component == "first";
    let of_second = |letter: &DeadLetter| letter.position == poison.position && letter.component == "second";
    assert_eq!(stage.app.processors().evict_where(LEDGER, of_first).await.unwrap(), 1);
    assert_eq!(stage.app.processors().retry_where(LEDGER, of_second).await.unwrap(), 1);
    stage.rows(2 * events - 1).await;
    // Another processor may have been at the same event each time when the program ended, and looked as if it were at fault.
    for bystander in stage.app.processors().status().await.unwrap().iter().filter(|status| status.name != LEDGER) {
        let same = |letter: &DeadLetter| letter.position == poison.position;
        stage.app.processors().retry_where(&bystander.name, same).await.unwrap();
    }
    stage.settle().await;
    stage.judge_but(Some(poison.position)).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_at_which_programs_end_is_parked_on_a_sqlite_file() {
    a_poisonous_event_is_parked(Database::file()).await;
}

#[cfg(feature = "servers")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_at_which_programs_end_is_parked_on_postgres() {
    let server = xtask::servers::Server::start(xtask::servers::Kind::Postgres).unwrap();
    a_poisonous_event_is_parked(Database::on(&server).await).await;
}
