//! The rules of a subscription.

use std::collections::HashSet;
use std::time::Duration;

use crate::message::{Position, Timestamp};
use crate::store::subscriptions::{DeliveryRow, SubscriptionRow};

use super::{Ahead, Answered, Book, Roster, Strategy, SubscriptionConfig, Verdict, shortened};

fn position(number: u64) -> Position {
    Position::new(number)
}

fn ahead(sequences: &[&str]) -> Vec<Ahead> {
    (1..).map(position).zip(sequences).map(|(position, text)| Ahead { position, sequence: (*text).into() }).collect()
}

fn book(strategy: Strategy) -> Book {
    let row = SubscriptionRow {
        name: "s".into(),
        generation: "g".into(),
        revision: 1,
        settings: String::new(),
        position: Position::START,
        number: 0,
        replaying: 0,
        consumers: "[]".into(),
    };
    let config = SubscriptionConfig { strategy, retries: 1, ..Default::default() };
    let mut book = Book::new(row, config, Roster::default(), Timestamp::from_micros(1_000), Vec::new());
    for consumer in ["a", "b"] {
        book.roster.hear(consumer, "", book.now, Duration::from_secs(3600));
    }
    book
}

fn positions(deliveries: &[DeliveryRow]) -> Vec<u64> {
    deliveries.iter().map(|delivery| delivery.position.get()).collect()
}

#[test]
fn each_event_goes_to_one_consumer() {
    let (mut book, events) = (book(Strategy::RoundRobin), ahead(&["x", "x", "y", "x"]));
    assert_eq!(positions(&book.take("a", 2, &events, position(9))), [1, 2]);
    assert_eq!(book.row.position, position(2));
    assert_eq!(positions(&book.take("b", 9, &events, position(9))), [3, 4]);
    assert_eq!(book.row.position, position(9), "what does not match is passed over");
}

#[test]
fn a_sequence_goes_out_one_after_the_other() {
    let (mut book, events) = (book(Strategy::PinnedByStream), ahead(&["x", "x", "y"]));
    let taken = book.take("a", 9, &events, position(3));
    assert_eq!(positions(&taken), [1, 3]);
    assert_eq!(book.answer(position(1), taken[0].number, Verdict::Retry(None)), Answered::Taken);
    assert!(book.take("b", 9, &events, position(3)).is_empty(), "a retry holds its sequence back");
    book.now = book.now.plus(Duration::from_secs(1));
    let again = book.take("b", 9, &events, position(3));
    assert_eq!(positions(&again), [1]);
    assert_eq!(book.answer(position(1), again[0].number, Verdict::Park("bad".into())), Answered::Taken);
    assert_eq!(positions(&book.take("a", 9, &events, position(3))), [2], "a parked one holds nothing back");
}

#[test]
fn the_first_consumer_alone_gets_everything() {
    let (mut book, events) = (book(Strategy::Single), ahead(&["x"]));
    assert!(book.take("b", 9, &events, position(1)).is_empty());
    book.leave("a", &HashSet::new());
    assert_eq!(positions(&book.take("b", 9, &events, position(1))), [1]);
}

#[test]
fn what_fails_too_often_is_parked() {
    let (mut book, events) = (book(Strategy::RoundRobin), ahead(&["x"]));
    for attempt in 1..=2 {
        let taken = book.take("a", 1, &events, position(1));
        assert_eq!(taken[0].attempts, attempt);
        book.now = taken[0].due;
        book.expire();
    }
    assert!(book.take("a", 1, &events, position(1)).is_empty());
    let parked = book.written().unwrap().put.pop().unwrap();
    assert_eq!(parked.reason.as_deref(), Some("given out 2 times, the last time: no answer within 30s"));
}

#[test]
fn an_answer_under_an_older_number_is_refused() {
    let (mut book, events) = (book(Strategy::RoundRobin), ahead(&["x"]));
    let first = book.take("a", 1, &events, position(1)).remove(0);
    book.now = first.due;
    book.expire();
    let second = book.take("b", 1, &events, position(1)).remove(0);
    assert_eq!(book.answer(position(1), first.number, Verdict::Done), Answered::Lost);
    assert_eq!(book.answer(position(1), second.number, Verdict::Done), Answered::Taken);
    assert_eq!(book.answer(position(1), second.number, Verdict::Done), Answered::Closed);
}

#[test]
fn what_nobody_has_seen_counts_as_no_attempt() {
    let (mut book, events) = (book(Strategy::RoundRobin), ahead(&["x", "y"]));
    let taken = book.take("a", 2, &events, position(2));
    book.leave("a", &HashSet::from([taken[1].number]));
    let again = book.take("b", 2, &events, position(2));
    assert_eq!(again.iter().map(|delivery| delivery.attempts).collect::<Vec<_>>(), [2, 1]);
    book.reclaim("b", &HashSet::from([again[0].number]));
    assert_eq!(positions(&book.take("b", 2, &events, position(2))), [2]);
}

#[test]
fn no_more_are_in_flight_than_allowed() {
    let (mut book, events) = (book(Strategy::RoundRobin), ahead(&["x", "y", "z"]));
    book.config.in_flight = 2;
    let taken = book.take("a", 9, &events, position(3));
    assert_eq!((positions(&taken), book.row.position), (vec![1, 2], position(2)));
    assert_eq!(book.answer(position(1), taken[0].number, Verdict::Done), Answered::Taken);
    assert_eq!(positions(&book.take("b", 9, &events, position(3))), [3]);
}

#[test]
fn what_was_parked_goes_ahead() {
    let (mut book, events) = (book(Strategy::RoundRobin), ahead(&["x", "y"]));
    let first = book.take("a", 1, &events, position(2)).remove(0);
    book.answer(position(1), first.number, Verdict::Park("bad".into()));
    let parked: Vec<_> = book.changed.values().cloned().collect();
    book.row.replaying = 1;
    assert_eq!(book.room_for_replays("b", 5), 5);
    book.replay(parked, 5);
    let taken = book.take("b", 1, &events, position(2));
    assert_eq!((positions(&taken), taken[0].replayed, taken[0].attempts), (vec![1], true, 1));
    assert_eq!(book.row.replaying, 0);
}

#[test]
fn a_reason_is_cut_between_characters() {
    assert_eq!(shortened("aé".into(), 2), "a");
    assert_eq!(shortened("a\0b".into(), 9), "a\u{fffd}b");
}
