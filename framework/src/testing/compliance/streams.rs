//! The life of streams, and what readers and appends meet afterwards.

use std::time::Duration;

use crate::message::{Position, StreamId, Tag, Timestamp};
use crate::store::{
    AppendError, Criterion, Expected, NewEvent, Read, Retention, Snapshot, Store, StreamChange, StreamError,
    StreamInfo, StreamStatus,
};

use super::given::{appending, at, conflict, event, filled, positions, read, stream, tagged, version};

async fn change(store: &dyn Store, id: &str, change: StreamChange) -> StreamInfo {
    store.change_stream("", &stream(id), Expected::Any, change).await.expect("the stream is changed")
}

/// The positions that a reader of the stream, of everything, of the category and of a criterion sees.
async fn seen(store: &dyn Store, id: &str) -> [Vec<u64>; 4] {
    let of = |wanted: Read| async move { positions(&read(store, wanted).await.events) };
    [
        of(Read::stream(stream(id), None)).await,
        of(Read::all(Position::START)).await,
        of(Read::category("wallet", Position::START)).await,
        of(Read::matching(Criterion::tag(Tag::new("id", id)), Position::START)).await,
    ]
}

/// `events` tagged events of the stream `id`, at 1,000 microseconds, 2,000 and so on.
async fn tagged_events(store: &dyn Store, id: &str, events: i64) {
    for number in 1..=events {
        let dated = NewEvent { recorded_at: at(number * 1_000), ..tagged(id, "one", &[Tag::new("id", id)]) };
        appending([dated]).stored_in(store).await;
    }
}

async fn snapshot_of(store: &dyn Store, id: &str, number: u64) {
    let snapshot = Snapshot {
        version: version(number),
        position: Position::new(number),
        schema: "1".to_owned(),
        state: b"{}".to_vec(),
    };
    store.save_snapshot("", &stream(id), snapshot).await.expect("the snapshot is kept");
}

/// What is known about a stream follows its events.
pub async fn a_stream_tells_about_itself(store: &dyn Store) {
    assert_eq!(store.stream_info("", &stream("a")).await.unwrap(), None);
    filled(store, "a", 2).await;
    let info = store.stream_info("", &stream("a")).await.unwrap().expect("it has events");
    let expected = StreamInfo {
        tenant: String::new(),
        stream: stream("a"),
        status: StreamStatus::Open,
        newest: Some(version(2)),
        first: Some(version(1)),
        retention: Retention::default(),
    };
    assert_eq!(info, expected);
    assert_eq!(store.stream_info("x", &stream("a")).await.unwrap(), None, "of another tenant it is another stream");
}

/// A deleted stream is empty for every reader and every expectation; its versions go on.
pub async fn a_deleted_stream_is_hidden_and_its_versions_go_on(store: &dyn Store) {
    tagged_events(store, "a", 2).await;
    tagged_events(store, "b", 1).await;
    snapshot_of(store, "a", 2).await;
    let info = change(store, "a", StreamChange::Delete).await;
    assert_eq!((info.status, info.newest, info.first), (StreamStatus::Deleted, Some(version(2)), None));
    assert_eq!(seen(store, "a").await, [vec![], vec![3], vec![3], vec![]]);
    assert_eq!(store.stream_head("", &stream("a")).await.unwrap(), None);
    assert_eq!(store.snapshot("", &stream("a"), "1").await.unwrap(), None, "its snapshots are gone");
    assert_eq!(store.count(&Read::all(Position::START)).await.unwrap(), 1);
    conflict(appending([event("a")]).expecting("a", Expected::Version(version(2))).to(store).await);
    conflict(appending([event("a")]).expecting("a", Expected::Exists).to(store).await);
    let again = appending([event("a")]).expecting("a", Expected::NoStream).stored_in(store).await;
    assert_eq!(again.version_of(&stream("a")), Some(version(3)));
    assert_eq!(store.stream_head("", &stream("a")).await.unwrap(), Some(version(3)));
    assert_eq!(seen(store, "a").await[0], [4]);
    let info = store.stream_info("", &stream("a")).await.unwrap().unwrap();
    assert_eq!((info.status, info.first), (StreamStatus::Open, Some(version(3))));
    conflict(appending([event("a")]).expecting("a", Expected::NoStream).to(store).await);
}

/// What was deleted before a stream went on stays hidden, whatever is done to the stream afterwards.
pub async fn what_was_deleted_stays_hidden_once_the_stream_goes_on(store: &dyn Store) {
    tagged_events(store, "a", 2).await;
    change(store, "a", StreamChange::Delete).await;
    tagged_events(store, "a", 1).await;
    let retention = Retention { max_count: Some(5), max_age: None };
    for next in [StreamChange::Retain(retention), StreamChange::Archive, StreamChange::Restore] {
        change(store, "a", next.clone()).await;
        assert_eq!(seen(store, "a").await[0], [3], "after {next:?}");
    }
    change(store, "a", StreamChange::Delete).await;
    change(store, "a", StreamChange::Restore).await;
    assert_eq!(seen(store, "a").await, [[3], [3], [3], [3]], "a second deletion brings back what it hid, no more");
}

/// A snapshot of a state that was deleted or truncated away is not read, also if it is kept late (guarantee 9).
pub async fn a_snapshot_from_before_a_deletion_is_not_read(store: &dyn Store) {
    let kept = async |id: &str| store.snapshot("", &stream(id), "1").await.unwrap().is_some();
    tagged_events(store, "a", 2).await;
    change(store, "a", StreamChange::Delete).await;
    snapshot_of(store, "a", 2).await;
    assert!(!kept("a").await, "the stream is deleted");
    tagged_events(store, "a", 1).await;
    snapshot_of(store, "a", 2).await;
    assert!(!kept("a").await, "the stream has begun anew");
    snapshot_of(store, "a", 3).await;
    assert!(kept("a").await);
    tagged_events(store, "b", 4).await;
    snapshot_of(store, "b", 2).await;
    change(store, "b", StreamChange::TruncateBefore(version(3))).await;
    assert!(!kept("b").await, "the events between it and the first one are hidden");
    snapshot_of(store, "b", 3).await;
    assert!(kept("b").await);
}

/// A stream that was ended for good takes no append, whatever is expected, and is not restored.
pub async fn an_ended_stream_takes_no_append_ever(store: &dyn Store) {
    tagged_events(store, "a", 2).await;
    let info = change(store, "a", StreamChange::Tombstone).await;
    assert_eq!(info.status, StreamStatus::Tombstoned);
    assert_eq!(seen(store, "a").await, [vec![], vec![], vec![], vec![]] as [Vec<u64>; 4]);
    store.scavenge(at(9_000)).await.unwrap();
    for expected in [Expected::Any, Expected::NoStream, Expected::Exists, Expected::Version(version(2))] {
        let refused = appending([event("a")]).expecting("a", expected).to(store).await;
        let closed = matches!(&refused, Err(AppendError::StreamClosed { status: StreamStatus::Tombstoned, .. }));
        assert!(closed || matches!(refused, Err(AppendError::Conflict(_))), "{refused:?}");
    }
    for next in [StreamChange::Restore, StreamChange::Delete, StreamChange::Archive] {
        let refused = store.change_stream("", &stream("a"), Expected::Any, next).await;
        assert!(matches!(refused, Err(StreamError::Status { .. })), "{refused:?}");
    }
    filled(store, "b", 1).await;
}

/// Truncation hides older events from every reader; the head stays.
pub async fn a_truncated_stream_begins_later(store: &dyn Store) {
    tagged_events(store, "a", 4).await;
    snapshot_of(store, "a", 3).await;
    let info = change(store, "a", StreamChange::TruncateBefore(version(3))).await;
    assert_eq!((info.status, info.newest, info.first), (StreamStatus::Open, Some(version(4)), Some(version(3))));
    assert_eq!(seen(store, "a").await, [[3, 4], [3, 4], [3, 4], [3, 4]]);
    assert!(store.snapshot("", &stream("a"), "1").await.unwrap().is_some(), "its snapshots stay");
    appending([event("a")]).expecting("a", Expected::Version(version(4))).stored_in(store).await;
    change(store, "a", StreamChange::TruncateBefore(version(2))).await;
    assert_eq!(seen(store, "a").await[0], [3, 4, 5], "what was truncated does not come back");
    let beyond = StreamChange::TruncateBefore(version(6));
    let refused = store.change_stream("", &stream("a"), Expected::Any, beyond).await;
    assert!(matches!(refused, Err(StreamError::BeyondNewest { newest, .. }) if newest == version(5)), "{refused:?}");
}

/// An archived stream takes no append and is read by its id alone.
pub async fn an_archived_stream_is_read_by_its_id_alone(store: &dyn Store) {
    tagged_events(store, "a", 2).await;
    tagged_events(store, "b", 1).await;
    change(store, "a", StreamChange::Archive).await;
    assert_eq!(seen(store, "a").await, [vec![1, 2], vec![3], vec![3], vec![]]);
    let refused = appending([event("a")]).to(store).await;
    let closed = matches!(refused, Err(AppendError::StreamClosed { status: StreamStatus::Archived, .. }));
    assert!(closed, "{refused:?}");
    assert_eq!(store.scavenge(at(9_000)).await.unwrap().events, 0, "an archive is no waste");
    change(store, "a", StreamChange::Restore).await;
    assert_eq!(seen(store, "a").await, [vec![1, 2], vec![1, 2, 3], vec![1, 2, 3], vec![1, 2]]);
    filled(store, "a", 1).await;
}

/// What was deleted comes back as long as nothing was scavenged; what was truncated does not.
pub async fn a_deleted_stream_is_restored(store: &dyn Store) {
    tagged_events(store, "a", 3).await;
    change(store, "a", StreamChange::TruncateBefore(version(2))).await;
    change(store, "a", StreamChange::Delete).await;
    let info = change(store, "a", StreamChange::Restore).await;
    assert_eq!((info.status, info.first), (StreamStatus::Open, Some(version(2))));
    assert_eq!(seen(store, "a").await[0], [2, 3]);
    assert_eq!(store.stream_head("", &stream("a")).await.unwrap(), Some(version(3)));
}

/// A change is checked against what the operator expects, and needs a stream.
pub async fn a_change_of_a_stream_is_guarded(store: &dyn Store) {
    filled(store, "a", 2).await;
    let stale = store.change_stream("", &stream("a"), Expected::Version(version(1)), StreamChange::Delete).await;
    assert!(matches!(stale, Err(StreamError::Conflict(_))), "{stale:?}");
    assert_eq!(seen(store, "a").await[0], [1, 2]);
    let missing = store.change_stream("", &stream("b"), Expected::Any, StreamChange::Delete).await;
    assert!(matches!(missing, Err(StreamError::NotFound { .. })), "{missing:?}");
    let of_another = store.change_stream("x", &stream("a"), Expected::Any, StreamChange::Delete).await;
    assert!(matches!(of_another, Err(StreamError::NotFound { .. })), "tenants never mix: {of_another:?}");
    let nothing = StreamChange::Retain(Retention { max_count: Some(0), max_age: None });
    let refused = store.change_stream("", &stream("a"), Expected::Any, nothing).await;
    assert!(matches!(refused, Err(StreamError::NothingKept { .. })), "{refused:?}");
}

/// A scavenge removes what is hidden, and says so; positions and versions go on behind what was removed.
pub async fn a_scavenge_removes_what_is_hidden(store: &dyn Store) {
    tagged_events(store, "a", 3).await;
    tagged_events(store, "b", 2).await;
    change(store, "a", StreamChange::Delete).await;
    change(store, "b", StreamChange::TruncateBefore(version(2))).await;
    let removed = store.scavenge(at(9_000)).await.unwrap();
    assert_eq!((removed.events, removed.expired, removed.streams), (4, 0, 2));
    assert!(removed.bytes > 0);
    assert_eq!(store.scavenge(at(9_000)).await.unwrap().events, 0, "once is enough");
    assert_eq!(seen(store, "b").await, [[5], [5], [5], [5]]);
    let appended = appending([event("a")]).stored_in(store).await;
    assert_eq!((appended.position, appended.version_of(&stream("a"))), (Position::new(6), Some(version(4))));
    assert_eq!(store.read(&Read::all(Position::START)).await.unwrap().scanned, Position::new(6));
}

/// The newest event of the store stays hidden in its place, so that its position is not given out again (guarantee 2).
pub async fn a_scavenge_never_gives_a_position_out_again(store: &dyn Store) {
    tagged_events(store, "a", 3).await;
    change(store, "a", StreamChange::Tombstone).await;
    assert_eq!(store.scavenge(at(9_000)).await.unwrap().events, 2);
    assert_eq!(store.head().await.unwrap(), Position::new(3));
    assert_eq!(seen(store, "a").await[1], [] as [u64; 0]);
    assert_eq!(appending([event("b")]).stored_in(store).await.position, Position::new(4));
    assert_eq!(store.scavenge(at(9_000)).await.unwrap().events, 1, "now it can go");
}

/// Retention by count and by age takes effect with the scavenge, and the newest event stays.
pub async fn retention_takes_effect_with_the_scavenge(store: &dyn Store) {
    for id in ["a", "b", "c"] {
        tagged_events(store, id, 4).await;
    }
    let by_count = Retention { max_count: Some(2), max_age: None };
    let by_age = Retention { max_count: None, max_age: Some(Duration::from_micros(1_500)) };
    assert_eq!(change(store, "a", StreamChange::Retain(by_count)).await.retention, by_count);
    change(store, "b", StreamChange::Retain(by_age)).await;
    assert_eq!(seen(store, "a").await[0], [1, 2, 3, 4]);
    let removed = store.scavenge(at(5_000)).await.unwrap();
    assert_eq!((removed.events, removed.expired, removed.streams), (5, 5, 2));
    assert_eq!(seen(store, "a").await[0], [3, 4]);
    assert_eq!(seen(store, "b").await[0], [8], "older than 3,500 microseconds since 1970 are 1,000 to 3,000");
    assert_eq!(seen(store, "c").await[0], [9, 10, 11, 12]);
    store.scavenge(Timestamp::from_micros(i64::from(u32::MAX))).await.unwrap();
    assert_eq!(seen(store, "b").await[0], [8], "the newest event stays, however old it is");
    change(store, "a", StreamChange::Retain(Retention::default())).await;
    filled(store, "a", 3).await;
    assert_eq!(store.scavenge(at(5_000)).await.unwrap().events, 0, "a retention is taken back");
}

/// An append to a stream of the framework's own is refused by name.
pub async fn reserved_streams_are_refused(store: &dyn Store) {
    for category in ["$system", "annals.journal"] {
        let reserved = StreamId::new(category, "x");
        let refused = appending([NewEvent { stream: reserved.clone(), ..event("a") }]).to(store).await;
        let named = matches!(&refused, Err(AppendError::Reserved { stream, .. }) if *stream == reserved);
        assert!(named, "{refused:?}");
    }
    assert_eq!(store.head().await.unwrap(), Position::START);
}

/// A condition still meets a hidden event that came after its marker: it did happen (guarantee 3).
pub async fn a_condition_meets_hidden_events(store: &dyn Store) {
    tagged_events(store, "a", 1).await;
    change(store, "a", StreamChange::Delete).await;
    let about_a = || Criterion::tag(Tag::new("id", "a"));
    conflict(appending([event("b")]).unless(about_a(), Position::START).to(store).await);
    appending([event("b")]).unless(about_a(), Position::new(1)).stored_in(store).await;
}
