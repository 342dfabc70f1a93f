//! A handler that fails stops only its own sequence.

use std::sync::Arc;
use std::time::Duration;

use annals::app::Builder;
use annals::message::{EventId, StreamId};
use annals::store::{Append, DeadLetter, LetterState, NewEvent};
use annals::{Annals, QueryError};

use crate::given::{Lasting, PATIENCE, eventually};
use crate::tallies::*;

async fn letters(app: &Annals) -> Vec<DeadLetter> {
    app.processors().dead_letters("recorder").await.unwrap()
}

/// How often each dead letter was tried, 0 for one that waits behind another.
async fn attempts(app: &Annals) -> Vec<u32> {
    letters(app).await.iter().map(|letter| letter.attempts).collect()
}

fn three_attempts(recorder: &Recorder) -> Builder {
    recorded_by(recorder).processors(|config| config.attempts = 3)
}

#[tokio::test]
async fn the_events_behind_a_failed_one_wait_and_other_sequences_go_on() {
    for fault in ["bad:2", "panic bad:2"] {
        for lasting in Lasting::each() {
            let recorder = Recorder::default();
            recorder.faults.fail(fault, u32::MAX);
            let app = lasting.start(three_attempts(&recorder)).await;
            for amount in 1..=4 {
                count(&app, "bad", amount).await;
                count(&app, "good", amount).await;
            }
            app.settled(PATIENCE).await.unwrap();
            assert_eq!(recorder.seen_of("bad"), ["bad:1"], "{fault}");
            assert_eq!(recorder.seen_of("good"), ["good:1", "good:2", "good:3", "good:4"], "{fault}");
            assert_eq!(attempts(&app).await, [3, 0, 0], "three attempts, then parked; two wait behind it");
            let parked = letters(&app).await.remove(0);
            assert_eq!(parked.state, LetterState::Parked);
            assert!(parked.error.contains("told to"), "{parked:?}");

            // Somebody mends it, and asks for another attempt.
            recorder.faults.heal(fault);
            app.processors().retry(&parked).await.unwrap();
            app.settled(PATIENCE).await.unwrap();
            assert_eq!(recorder.seen_of("bad"), ["bad:1", "bad:2", "bad:3", "bad:4"], "in order");
            assert!(letters(&app).await.is_empty());
            app.shutdown().await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_comes_while_a_sequence_is_held_up_waits_too() {
    for lasting in Lasting::each() {
        let recorder = Recorder::default();
        recorder.faults.fail("bad:1", u32::MAX);
        let app = lasting.start(three_attempts(&recorder)).await;
        count(&app, "bad", 1).await;
        app.settled(PATIENCE).await.unwrap();
        count(&app, "bad", 2).await;
        count(&app, "good", 1).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(recorder.seen(), ["good:1"]);
        assert_eq!(attempts(&app).await, [3, 0]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_passing_failure_heals_by_itself() {
    for lasting in Lasting::each() {
        let recorder = Recorder::default();
        recorder.faults.fail("t:2", 3);
        let app = lasting.start(recorded_by(&recorder)).await;
        for amount in 1..=4 {
            count(&app, "t", amount).await;
        }
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(recorder.seen_of("t"), ["t:1", "t:2", "t:3", "t:4"]);
        assert!(letters(&app).await.is_empty());
        app.shutdown().await.unwrap();
    }
}

/// Each attempt waits longer than the one before. The clock stands still, so the state of the letter can be read.
#[tokio::test]
async fn attempts_are_made_with_growing_pauses() {
    let (clock, recorder) = (annals::testing::TestClock::default(), Recorder::default());
    recorder.faults.fail("t:1", u32::MAX);
    let app = recorded_by(&recorder)
        .processors(|config| {
            config.attempts = 4;
            config.pause = std::time::Duration::from_secs(10);
            config.longest_pause = std::time::Duration::from_secs(1000);
        })
        .clock(clock.clone());
    let app = app.store("memory:").start().await.unwrap();
    count(&app, "t", 1).await;
    let mut pauses = Vec::new();
    for attempt in 1..=3 {
        let tried = async || letters(&app).await.pop().filter(|letter| letter.attempts == attempt);
        let letter = eventually("another attempt", tried).await;
        let now = annals::Clock::now(&clock);
        let LetterState::Retrying(due) = letter.state else { panic!("{letter:?}") };
        pauses.push(due.since(now).as_secs());
        clock.set(due);
    }
    let parked = async || letters(&app).await.pop().filter(|letter| letter.state == LetterState::Parked);
    assert_eq!(eventually("it is parked", parked).await.attempts, 4);
    // Doubling, with up to as much again by chance.
    let bounds = [10..20, 20..40, 40..80];
    assert!(pauses.iter().zip(&bounds).all(|(pause, bound)| bound.contains(pause)), "{pauses:?}");
    app.shutdown().await.unwrap();
}

/// A node whose clock was hours ahead has put an event aside; the one that takes over does not wait for hours.
#[tokio::test]
async fn a_letter_does_not_wait_for_a_clock_that_was_wrong() {
    for lasting in Lasting::each() {
        let recorder = Recorder::default();
        recorder.faults.fail("t:1", u32::MAX);
        let clock = annals::testing::TestClock::default();
        clock.set(annals::Clock::now(&annals::message::SystemClock).plus(Duration::from_secs(6 * 3600)));
        let slow = |config: &mut annals::processor::ProcessorConfig| {
            config.pause = Duration::from_secs(5);
            config.longest_pause = Duration::from_secs(10);
        };
        let app = lasting.start(recorded_by(&recorder).processors(slow).clock(clock)).await;
        count(&app, "t", 1).await;
        eventually("it is put aside", async || letters(&app).await.pop()).await;
        app.shutdown().await.unwrap();

        recorder.faults.heal("t:1");
        let app = lasting.start(recorded_by(&recorder)).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(recorder.seen(), ["t:1"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn an_evicted_event_is_skipped_and_its_sequence_goes_on() {
    for lasting in Lasting::each() {
        let recorder = Recorder::default();
        recorder.faults.fail("t:1", u32::MAX);
        let app = lasting.start(three_attempts(&recorder)).await;
        for amount in 1..=3 {
            count(&app, "t", amount).await;
        }
        app.settled(PATIENCE).await.unwrap();
        let first = letters(&app).await.remove(0);
        assert!(app.processors().evict(&first).await.unwrap());
        assert!(!app.processors().evict(&first).await.unwrap(), "it is gone");
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(recorder.seen(), ["t:2", "t:3"]);
        assert!(letters(&app).await.is_empty());
        app.shutdown().await.unwrap();
    }
}

/// Stores an event of the tally `bad` as another program might have written it.
async fn store_raw(app: &Annals, payload: &str) {
    let event = NewEvent {
        stream: StreamId::new("tally", "bad"),
        id: EventId::new(),
        name: "tally.counted".into(),
        revision: 1,
        payload: payload.as_bytes().to_vec(),
        metadata: Arc::default(),
        tags: Vec::new(),
        recorded_at: app.journal().now(),
    };
    app.journal().append(Append { events: vec![event], ..Append::default() }).await.unwrap();
}

#[tokio::test]
async fn an_event_that_cannot_be_decoded_is_parked() {
    for lasting in Lasting::each() {
        let recorder = Recorder::default();
        let app = lasting.start(three_attempts(&recorder).include::<Sums>()).await;
        store_raw(&app, r#"{"tally":"bad","group":"bad"}"#).await;
        store_raw(&app, r#"{"tally":"bad","group":"bad","amount":1}"#).await;
        count(&app, "good", 2).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(recorder.seen(), ["good:2"]);
        assert_eq!(attempts(&app).await, [3, 0]);
        assert!(letters(&app).await[0].error.contains("amount"), "it says what is missing");
        let of_view = app.processors().dead_letters("view:sums@1").await.unwrap();
        assert_eq!(of_view.len(), 2, "the same for a view");
        assert_eq!(app.view::<Sums>().list(None, 9).await.unwrap().len(), 1);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn dead_letters_survive_a_restart() {
    for lasting in Lasting::each() {
        let recorder = Recorder::default();
        recorder.faults.fail("t:1", u32::MAX);
        let app = lasting.start(three_attempts(&recorder)).await;
        count(&app, "t", 1).await;
        count(&app, "t", 2).await;
        app.settled(PATIENCE).await.unwrap();
        app.shutdown().await.unwrap();

        let app = lasting.start(three_attempts(&recorder)).await;
        count(&app, "t", 3).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(attempts(&app).await, [3, 0, 0]);
        let status = app.processors().status().await.unwrap();
        assert_eq!((status[0].name.as_str(), status[0].letters.letters), ("recorder", 3));
        recorder.faults.heal("t:1");
        app.processors().retry(&letters(&app).await[0]).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(recorder.seen(), ["t:1", "t:2", "t:3"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_query_after_a_parked_event_says_so() {
    for lasting in Lasting::each() {
        let recorder = Recorder::default();
        recorder.faults.fail("bad:1", u32::MAX);
        let app = lasting.start(three_attempts(&recorder)).await;
        let failed = count(&app, "bad", 1).await;
        let behind = count(&app, "bad", 2).await;
        let fine = count(&app, "good", 1).await;
        for sent in [&failed, &behind] {
            let answer = app.query(Seen).after(sent).await;
            assert!(matches!(&answer, Err(QueryError::Parked { processor }) if processor == "recorder"), "{answer:?}");
        }
        assert_eq!(app.query(Seen).after(&failed).or_stale().await.unwrap(), ["good:1"]);
        assert_eq!(app.query(Seen).after(&fine).await.unwrap(), ["good:1"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_query_after_an_event_that_is_tried_again_waits_for_it() {
    for lasting in Lasting::each() {
        let recorder = Recorder::default();
        recorder.faults.fail("t:1", 3);
        let app = lasting.start(recorded_by(&recorder)).await;
        count(&app, "t", 1).await;
        let sent = count(&app, "t", 2).await;
        assert_eq!(app.query(Seen).after(&sent).await.unwrap(), ["t:1", "t:2"]);
        app.shutdown().await.unwrap();
    }
}

/// A handler that never returns has failed when its time is over; until then commands wait, afterwards others go on.
#[tokio::test]
async fn a_handler_that_never_returns_stops_only_its_own_sequence() {
    for lasting in Lasting::each() {
        let recorder = Recorder::default();
        let hurried = recorded_by(&recorder).processors(|config| {
            config.handler_time = Duration::from_millis(100);
            config.attempts = 1;
        });
        let app = lasting.start(hurried).await;
        recorder.close_gate();
        count(&app, "a", 1).await;
        let parked = async || app.processors().dead_letters("recorder").await.unwrap().pop();
        let letter = eventually("the event is put aside", parked).await;
        assert!(letter.error.contains("took too long"), "{}", letter.error);
        recorder.open_gate();
        count(&app, "b", 1).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(recorder.seen(), ["b:1"]);
        app.shutdown().await.unwrap();
    }
}

/// After owners have ended badly it is counted how many end in the middle of one event. An owner that only lost its
/// connection has not ended.
#[cfg(feature = "servers")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_at_which_connections_break_is_not_taken_for_poison() {
    use annals::store::{SegmentRow, SegmentWrite};
    use annals_tests::servers::Server;

    let lasting = Lasting::Server(Server::Postgres, Default::default());
    let recorder = Recorder::default();
    let app = lasting.start(recorded_by(&recorder)).await;
    app.settled(PATIENCE).await.unwrap();
    let mut transaction = app.journal().store().begin().await.unwrap();
    let rows = transaction.lock_segments("", "recorder").await.unwrap();
    let wary = |row| SegmentWrite::Change(SegmentRow { details: r#"{"unclean":5}"#.to_owned(), ..row });
    transaction.write_segments("", rows.into_iter().map(wary).collect()).await.unwrap();
    transaction.commit().await.unwrap();
    recorder.close_gate();
    count(&app, "t", 1).await;
    for _ in 0..4 {
        eventually("it is handled", async || (recorder.waiting() > 0).then_some(())).await;
        let broken = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                      WHERE datname = current_database() AND state = 'idle in transaction'";
        Server::Postgres.execute(&lasting.url(), broken).await;
        recorder.open_gate();
        eventually("it is interrupted", async || (recorder.waiting() == 0).then_some(())).await;
        recorder.close_gate();
    }
    recorder.open_gate();
    app.settled(PATIENCE).await.unwrap();
    assert!(letters(&app).await.is_empty(), "{:?}", letters(&app).await);
    app.shutdown().await.unwrap();
}
