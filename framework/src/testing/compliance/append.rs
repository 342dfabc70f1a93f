//! Appends: expectations, atomicity, idempotence.

use futures_util::future::join_all;

use crate::message::{EventId, Position, Version};
use crate::store::{AppendError, Conflict, Expected, Read, Store};

use super::given::{appending, conflict, event, filled, positions, stream, version};

/// Positions and versions count from 1 without gaps (guarantee 2).
pub async fn positions_and_versions_are_dense(store: &dyn Store) {
    let first = appending([event("a"), event("a"), event("b")]).stored_in(store).await;
    assert_eq!(first.position, Position::new(3));
    assert_eq!(first.version_of(&stream("a")), Some(version(2)));
    assert_eq!(first.version_of(&stream("b")), Some(Version::FIRST));
    let second = appending([event("b")]).stored_in(store).await;
    assert_eq!((second.position, second.version_of(&stream("b"))), (Position::new(4), Some(version(2))));
    assert!(!second.repeated);
    assert_eq!(store.head().await.unwrap(), Position::new(4));
    assert_eq!(store.stream_head("", &stream("b")).await.unwrap(), Some(version(2)));
    assert_eq!(store.stream_head("", &stream("c")).await.unwrap(), None);
}

/// An append at a version that is no longer the newest is refused, with what was expected and found (guarantee 3).
pub async fn append_at_a_stale_version_is_a_conflict(store: &dyn Store) {
    filled(store, "a", 3).await;
    let stale = appending([event("a")]).expecting("a", Expected::Version(version(2))).to(store).await;
    match conflict(stale) {
        Conflict::Stream { stream: named, expected, actual } => {
            assert_eq!((named, actual), (stream("a"), Some(version(3))));
            assert!(expected.contains('2'), "the expectation is named: {expected}");
        }
        other => panic!("expected a conflict of a stream, got {other:?}"),
    }
    assert_eq!(store.head().await.unwrap(), Position::new(3));
    appending([event("a")]).expecting("a", Expected::Version(version(3))).stored_in(store).await;
}

/// A version that the stream has not reached is no match either (guarantee 3).
pub async fn append_at_a_future_version_is_a_conflict(store: &dyn Store) {
    let early = appending([event("a")]).expecting("a", Expected::Version(version(1))).to(store).await;
    assert!(matches!(conflict(early), Conflict::Stream { actual: None, .. }));
}

/// `NoStream` holds for the first append alone (guarantee 3).
pub async fn a_stream_is_started_once(store: &dyn Store) {
    appending([event("a")]).expecting("a", Expected::NoStream).stored_in(store).await;
    let again = appending([event("a")]).expecting("a", Expected::NoStream).to(store).await;
    assert!(matches!(conflict(again), Conflict::Stream { actual: Some(Version::FIRST), .. }));
}

/// `Exists` asks for at least one event (guarantee 3).
pub async fn a_missing_stream_does_not_exist(store: &dyn Store) {
    let missing = appending([event("a")]).expecting("a", Expected::Exists).to(store).await;
    assert!(matches!(conflict(missing), Conflict::Stream { actual: None, .. }));
    filled(store, "a", 1).await;
    appending([event("a")]).expecting("a", Expected::Exists).stored_in(store).await;
}

/// `Any` is never refused (guarantee 3).
pub async fn any_expects_nothing(store: &dyn Store) {
    appending([event("a")]).expecting("a", Expected::Any).stored_in(store).await;
    appending([event("a")]).expecting("a", Expected::Any).stored_in(store).await;
}

/// If one of several streams is not as expected, nothing is stored in any of them (guarantee 1).
pub async fn an_append_to_several_streams_is_atomic(store: &dyn Store) {
    filled(store, "a", 1).await;
    let half_stale = appending([event("b"), event("a")])
        .expecting("b", Expected::NoStream)
        .expecting("a", Expected::NoStream)
        .to(store)
        .await;
    conflict(half_stale);
    assert_eq!(store.stream_head("", &stream("b")).await.unwrap(), None);
    assert_eq!(store.head().await.unwrap(), Position::new(1));
    appending([event("b"), event("a")])
        .expecting("b", Expected::NoStream)
        .expecting("a", Expected::Version(version(1)))
        .stored_in(store)
        .await;
}

/// An append without events checks its expectations and stores nothing (guarantee 3).
pub async fn an_append_without_events_checks_its_expectations(store: &dyn Store) {
    filled(store, "a", 2).await;
    let checked = appending([]).expecting("a", Expected::Version(version(2))).stored_in(store).await;
    assert_eq!((checked.position, checked.versions.len()), (Position::new(2), 0));
    conflict(appending([]).expecting("a", Expected::Version(version(1))).to(store).await);
    assert_eq!(store.head().await.unwrap(), Position::new(2));
}

/// An append of nothing that expects nothing succeeds at the head (guarantee 1).
pub async fn an_empty_append_changes_nothing(store: &dyn Store) {
    assert_eq!(appending([]).stored_in(store).await.position, Position::START);
    filled(store, "a", 1).await;
    assert_eq!(appending([]).stored_in(store).await.position, Position::new(1));
    assert_eq!(store.head().await.unwrap(), Position::new(1));
}

/// An append that rests on an event is refused unless that event is stored, also where the version that it expects holds
/// (guarantee 4).
pub async fn an_append_rests_on_a_stored_event(store: &dyn Store) {
    let (first, other, never) = (event("a"), event("b"), event("a"));
    appending([first.clone()]).stored_in(store).await;
    appending([other.clone()]).of_tenant("t").stored_in(store).await;
    for missing in [&never, &other] {
        let expected = Expected::Version(version(1));
        let refused = appending([event("a")]).expecting("a", expected).resting_on(missing).to(store).await;
        assert_eq!(conflict(refused), Conflict::Basis { event: missing.id });
    }
    let second = event("a");
    let (on_first, on_second) = tokio::join!(
        appending([second.clone()]).expecting("a", Expected::Version(version(1))).resting_on(&first).to(store),
        appending([event("a")]).expecting("a", Expected::Version(version(2))).resting_on(&second).to(store),
    );
    assert!(on_first.is_ok() && on_second.is_ok(), "{on_first:?}, {on_second:?}");
    assert_eq!(store.stream_head("", &stream("a")).await.unwrap(), Some(version(3)));
}

/// Appends are decided in the order in which they were handed over, which is when they were first polled.
pub async fn appends_keep_the_order_in_which_they_were_handed_over(store: &dyn Store) {
    for round in 0..20 {
        let id = format!("s-{round}");
        let appends = (0..10).map(|number| {
            let expected = Version::new(number).map_or(Expected::NoStream, Expected::Version);
            appending([event(&id)]).expecting(&id, expected).to(store)
        });
        let results = join_all(appends).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
}

/// Of appends with the same expectation that race, exactly one wins (guarantee 3).
pub async fn of_racing_appends_exactly_one_wins(store: &dyn Store) {
    for round in 0..10 {
        let expected = Version::new(round).map_or(Expected::NoStream, Expected::Version);
        let racers = (0..8).map(|_| appending([event("a")]).expecting("a", expected).to(store));
        let results = join_all(racers).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        for lost in results.into_iter().filter(Result::is_err) {
            conflict(lost);
        }
    }
    assert_eq!(store.head().await.unwrap(), Position::new(10));
}

/// The same append again returns the first places and stores nothing (guarantee 5).
pub async fn a_repeated_append_returns_the_first_places(store: &dyn Store) {
    let append = appending([event("a"), event("b")]);
    let first = append.clone().stored_in(store).await;
    filled(store, "a", 1).await;
    let again = append.stored_in(store).await;
    assert!(again.repeated && !first.repeated);
    assert_eq!((again.position, &again.versions), (first.position, &first.versions));
    assert_eq!(store.head().await.unwrap(), Position::new(3));
}

/// A repeat is answered also when its expectation and its condition would now fail (guarantee 5).
pub async fn a_repeat_is_answered_although_its_expectation_now_fails(store: &dyn Store) {
    let tag = crate::message::Tag::new("wallet", "a");
    let append = appending([super::given::tagged("a", "wallet.opened", std::slice::from_ref(&tag))])
        .expecting("a", Expected::NoStream)
        .unless(crate::store::Criterion::tag(tag), Position::START);
    let first = append.clone().stored_in(store).await;
    let again = append.stored_in(store).await;
    assert!(again.repeated);
    assert_eq!(again.position, first.position);
}

/// Appends with the same event ids that race are stored once (guarantee 5).
pub async fn racing_repeats_are_stored_once(store: &dyn Store) {
    let append = appending([event("a")]);
    let results = join_all((0..8).map(|_| append.clone().to(store))).await;
    let fresh = results.iter().filter(|result| result.as_ref().is_ok_and(|appended| !appended.repeated)).count();
    assert_eq!(fresh, 1, "{results:?}");
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(store.head().await.unwrap(), Position::new(1));
}

/// An append of which only some ids are stored is refused as a whole (guarantee 5).
pub async fn a_partly_stored_append_is_refused(store: &dyn Store) {
    let known = event("a");
    appending([known.clone()]).stored_in(store).await;
    let partly = appending([event("a"), known.clone()]).to(store).await;
    assert!(matches!(partly, Err(AppendError::EventIdTaken { id }) if id == known.id), "{partly:?}");
    assert_eq!(store.head().await.unwrap(), Position::new(1));
}

/// An event id cannot be used again in another stream (guarantee 5).
pub async fn an_event_id_belongs_to_one_stream(store: &dyn Store) {
    let known = event("a");
    appending([known.clone()]).stored_in(store).await;
    let elsewhere = crate::store::NewEvent { stream: stream("b"), ..known };
    let taken = appending([elsewhere]).to(store).await;
    assert!(matches!(taken, Err(AppendError::EventIdTaken { .. })), "{taken:?}");
}

/// The same id twice in one append is refused (guarantee 5).
pub async fn an_event_id_twice_in_one_append_is_refused(store: &dyn Store) {
    let id = EventId::new();
    let twice = [crate::store::NewEvent { id, ..event("a") }, crate::store::NewEvent { id, ..event("b") }];
    let refused = appending(twice).to(store).await;
    assert!(matches!(refused, Err(AppendError::EventIdTaken { .. })), "{refused:?}");
    assert_eq!(store.head().await.unwrap(), Position::START);
}

/// Many appends at once keep positions dense, and a reader that follows never sees an event at or below what it has
/// passed (guarantee 2).
pub async fn concurrent_appends_keep_positions_dense_for_readers(store: &dyn Store) {
    const APPENDS: usize = 200;
    let writers = join_all((0..APPENDS).map(|number| {
        let id = format!("s-{}", number % 7);
        async move { appending([event(&id)]).stored_in(store).await.position }
    }));
    let reader = async {
        let (mut passed, mut seen) = (Position::START, Vec::new());
        while passed < Position::new(APPENDS as u64) {
            let page = store.read(&Read::all(passed).limit(16)).await.unwrap();
            assert!(page.events.iter().all(|event| event.recorded.position > passed));
            seen.extend(positions(&page.events));
            passed = page.scanned;
            tokio::task::yield_now().await;
        }
        seen
    };
    let (mut given, seen) = tokio::join!(writers, reader);
    given.sort_unstable();
    let dense: Vec<u64> = (1..=APPENDS as u64).collect();
    assert_eq!(given.iter().map(|position| position.get()).collect::<Vec<_>>(), dense);
    assert_eq!(seen, dense);
}

/// A refused append leaves those alone that are committed together with it (guarantee 1).
pub async fn neighbours_of_a_refused_append_are_stored(store: &dyn Store) {
    filled(store, "a", 1).await;
    let all = (0..40).map(|number| {
        let id = format!("s-{number}");
        async move {
            match number % 2 {
                0 => appending([event(&id)]).to(store).await,
                _ => appending([event(&id)]).expecting("a", Expected::NoStream).to(store).await,
            }
        }
    });
    for (number, result) in join_all(all).await.into_iter().enumerate() {
        assert_eq!(result.is_ok(), number % 2 == 0, "{result:?}");
    }
    assert_eq!(store.head().await.unwrap(), Position::new(21));
}

/// The signal rises to the position of the newest event.
pub async fn an_append_wakes_readers(store: &dyn Store) {
    let mut signal = store.appended();
    signal.mark_unchanged();
    let appended = appending([event("a"), event("a")]).stored_in(store).await;
    let changed = tokio::time::timeout(std::time::Duration::from_secs(10), signal.changed()).await;
    assert!(matches!(changed, Ok(Ok(()))), "the signal was not raised");
    assert_eq!(*signal.borrow(), appended.position);
}
