//! Appends at the end of a transaction (guarantees 1, 2, 3 and 5).

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;

use crate::message::{CommandId, Position, StreamId, Tag};
use crate::store::{
    AppendError, Appended, Conflict, Criterion, DocumentChange, Expected, NewEvent, Read, SnapshotWrite, Store,
    StoreError, StoreTransaction,
};

use super::conditions::{Chance, each_held};
use super::given::{Draft, appending, begin, conflict, event, stream, tagged, version, view};

/// Until what must happen has happened.
const PATIENCE: Duration = Duration::from_secs(10);

/// A transaction that has written the document `key`.
async fn having_written(store: &dyn Store, key: &str) -> Box<dyn StoreTransaction> {
    let mut transaction = begin(store).await;
    transaction.write_documents(&view(), vec![DocumentChange::put(key, b"{}")]).await.unwrap();
    transaction
}

/// Writes the document `key`, and commits it with `draft`.
async fn committed(store: &dyn Store, key: &str, draft: Draft) -> Result<Appended, AppendError> {
    having_written(store, key).await.commit_with(draft.0).await
}

/// The revision of each document that is there.
async fn revisions(store: &dyn Store) -> Vec<(String, u64)> {
    let found = store.scan_documents(&view(), None, 100).await.unwrap();
    found.into_iter().map(|document| (document.key, document.revision)).collect()
}

fn row(key: &str) -> (String, u64) {
    (key.to_owned(), 1)
}

async fn head(store: &dyn Store) -> u64 {
    store.head().await.unwrap().get()
}

/// What a transaction has written and the events of its append are there at once, behind what was there.
pub async fn rows_and_events_commit_together(store: &dyn Store) {
    appending([event("a")]).stored_in(store).await;
    let transaction = having_written(store, "k").await;
    assert_eq!((head(store).await, revisions(store).await), (1, vec![]), "nothing is seen before the commit");
    let draft = appending([event("a"), event("b")]).expecting("a", Expected::Version(version(1)));
    let appended = transaction.commit_with(draft.0).await.unwrap();
    assert_eq!((appended.position, appended.repeated), (Position::new(3), false));
    assert_eq!(appended.versions, [(stream("a"), version(2)), (stream("b"), version(1))]);
    assert_eq!((head(store).await, revisions(store).await), (3, vec![row("k")]));
    assert_eq!(appending([event("b")]).stored_in(store).await.position, Position::new(4));
    assert_eq!(committed(store, "l", appending([event("b")])).await.unwrap().position, Position::new(5));
}

/// Whatever an append is refused for, nothing that its transaction has written stays.
pub async fn a_refused_append_takes_its_rows_along(store: &dyn Store) {
    let red = Tag::new("colour", "red");
    let first = tagged("a", "wallet.painted", std::slice::from_ref(&red));
    appending([first.clone()]).stored_in(store).await;
    let executed = CommandId::new();
    appending([event("c")]).executing(executed, "5").stored_in(store).await;

    let stale = appending([event("b")]).expecting("a", Expected::NoStream);
    let Conflict::Stream { actual, .. } = conflict(committed(store, "k", stale).await) else {
        panic!("expected the conflict of a stream")
    };
    assert_eq!(actual, Some(version(1)));
    let broken = appending([event("b")]).unless(Criterion::tag(red), Position::START);
    let refused = conflict(committed(store, "k", broken).await);
    assert!(matches!(refused, Conflict::Condition { .. }), "{refused}");
    let never = event("b");
    let refused = conflict(committed(store, "k", appending([event("b")]).resting_on(&never)).await);
    assert_eq!(refused, Conflict::Basis { event: never.id });
    let refused = conflict(committed(store, "k", appending([event("b")]).writing("l", 7, Some("{}"))).await);
    assert!(matches!(refused, Conflict::Document { .. }), "{refused}");
    let again = committed(store, "k", appending([event("b")]).executing(executed, "6")).await;
    assert!(matches!(again, Err(AppendError::CommandRepeated(_))), "{again:?}");
    let taken = committed(store, "k", appending([event("b"), first])).await;
    assert!(matches!(taken, Err(AppendError::EventIdTaken { .. })), "{taken:?}");

    assert_eq!((head(store).await, revisions(store).await), (2, vec![]));
    assert_eq!(store.stream_head("", &stream("b")).await.unwrap(), None);
    assert_eq!(appending([event("b")]).stored_in(store).await.position, Position::new(3), "nobody holds a lock");
}

/// Whoever does not know whether a commit went through does everything again: the first places come back, and the rows
/// are there once.
pub async fn a_repeat_at_the_end_of_a_transaction_stores_no_rows(store: &dyn Store) {
    let draft = appending([event("a"), event("a")]).expecting("a", Expected::NoStream);
    let first = committed(store, "k", draft.clone()).await.unwrap();
    appending([event("a")]).stored_in(store).await;
    let second = committed(store, "k", draft.clone()).await.unwrap();
    assert_eq!(second, Appended { repeated: true, ..first.clone() });
    assert_eq!(revisions(store).await, [row("k")], "the rows were written once more");
    assert!(draft.to(store).await.unwrap().repeated, "an ordinary append is a repeat as well");
    assert_eq!(head(store).await, 3);
}

/// Tags, documents, a snapshot and the record of a command are stored as an ordinary append stores them.
pub async fn everything_of_an_append_commits_at_the_end_of_a_transaction(store: &dyn Store) {
    let (id, red) = (CommandId::new(), Tag::new("colour", "red"));
    let first = tagged("a", "wallet.painted", std::slice::from_ref(&red));
    let mut draft = appending([first.clone()]).writing("d", 0, Some("[1]")).executing(id, "5");
    let snapshot =
        SnapshotWrite { stream: stream("a"), version: version(1), schema: "1".to_owned(), state: b"{}".to_vec() };
    draft.0.snapshots.push(snapshot);
    committed(store, "k", draft).await.unwrap();
    assert_eq!(revisions(store).await, [row("d"), row("k")]);
    let record = store.command("", id).await.unwrap().expect("the command is recorded");
    assert_eq!((record.position, record.version), (Position::new(1), Some(version(1))));
    let snapshot = store.snapshot("", &stream("a"), "1").await.unwrap().expect("the snapshot is kept");
    assert_eq!((snapshot.version, snapshot.position), (version(1), Position::new(1)));
    let red = || Criterion::tag(red.clone());
    let found = store.read(&Read::matching(red(), Position::START)).await.unwrap();
    assert_eq!(found.events.len(), 1);
    conflict(appending([event("b")]).unless(red(), Position::START).to(store).await);
    let next = appending([event("a")]).resting_on(&first).expecting("a", Expected::Version(version(1)));
    committed(store, "k", next.unless(red(), Position::new(1))).await.unwrap();
}

/// The documents that an append expects are those of its transaction.
pub async fn an_append_sees_what_its_transaction_has_written(store: &dyn Store) {
    let stale = appending([event("a")]).writing("k", 0, Some("[1]"));
    let refused = conflict(committed(store, "k", stale).await);
    assert!(matches!(refused, Conflict::Document { .. }), "{refused}");
    committed(store, "k", appending([event("a")]).writing("k", 1, Some("[2]"))).await.unwrap();
    assert_eq!(revisions(store).await, [("k".to_owned(), 2)]);
    assert_eq!(store.documents(&view(), &["k".to_owned()]).await.unwrap()[0].body, b"[2]");
}

/// An append may bring nothing but what it expects.
pub async fn an_append_without_events_commits_its_rows(store: &dyn Store) {
    appending([event("a")]).stored_in(store).await;
    let missing = appending([]).expecting("b", Expected::Exists);
    conflict(committed(store, "k", missing).await);
    let there = appending([]).expecting("a", Expected::Version(version(1)));
    let appended = committed(store, "l", there).await.unwrap();
    assert_eq!((appended.position, appended.versions), (Position::new(1), vec![]));
    assert_eq!((head(store).await, revisions(store).await), (1, vec![row("l")]));
}

/// A transaction that ends without a commit leaves no row, no event and no gap.
pub async fn a_transaction_that_is_dropped_gives_out_no_position(store: &dyn Store) {
    drop(having_written(store, "k").await);
    let never_polled = having_written(store, "k").await.commit_with(appending([event("a")]).0);
    drop(never_polled);
    assert_eq!((head(store).await, revisions(store).await), (0, vec![]));
    assert_eq!(committed(store, "l", appending([event("a")])).await.unwrap().position, Position::new(1));
    assert_eq!(revisions(store).await, [row("l")]);
}

/// Ten writers append, and ten commit transactions, each on what it has read: positions are dense, each condition held,
/// and a row is there for each transaction that was committed, and for no other (guarantees 1, 2 and 3).
pub async fn conditions_hold_among_appends_and_transactions(store: &dyn Store) {
    const WRITERS: u64 = 20;
    const DECISIONS: u64 = 6;
    let writers = (0..WRITERS).map(|writer| async move {
        let (mut chance, mut taken, mut rows) = (Chance(writer + 1), Vec::new(), Vec::new());
        let mut refused = 0;
        for decision in 0..DECISIONS {
            let criteria = chance.criteria();
            let read = Read::matching(criteria.clone(), Position::START).limit(1);
            let after = store.read(&read).await.unwrap().head;
            tokio::task::yield_now().await;
            let (name, tags) = chance.event();
            let decided = appending([tagged(&format!("w-{}", writer / 2), &name, &tags)]);
            let decided = decided.unless(criteria.clone(), after);
            let key = format!("w-{writer}-{decision}");
            let result = match writer % 2 {
                0 => decided.to(store).await,
                _ => committed(store, &key, decided).await,
            };
            match result {
                Ok(appended) => {
                    taken.push((criteria, after, appended.position));
                    rows.extend((writer % 2 == 1).then_some(key));
                }
                Err(AppendError::Conflict(Conflict::Condition { .. })) => refused += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        (taken, rows, refused)
    });
    let (mut taken, mut rows, mut refused) = (Vec::new(), Vec::new(), 0);
    for outcome in join_all(writers).await {
        taken.extend(outcome.0);
        rows.extend(outcome.1);
        refused += outcome.2;
    }
    assert!(refused > 0 && !rows.is_empty(), "{refused} refused, {} rows: nothing was tested", rows.len());
    each_held(store, taken).await;
    rows.sort_unstable();
    let found: Vec<_> = revisions(store).await.into_iter().map(|(key, _)| key).collect();
    assert_eq!(found, rows);
}

/// Whoever stops polling holds nobody up, and takes nothing back.
pub async fn a_commit_is_handed_over_when_it_is_first_polled(store: &dyn Store) {
    let mut left = having_written(store, "k").await.commit_with(appending([event("a")]).0);
    let answer = (&mut left).now_or_never();
    let other = tokio::time::timeout(PATIENCE, appending([event("b")]).to(store)).await;
    other.expect("the append waits for somebody who does not go on").unwrap();
    let answer = match answer {
        Some(answer) => answer,
        None => left.await,
    };
    assert_eq!(answer.unwrap().versions, [(stream("a"), version(1))]);

    let mut signal = store.appended();
    let mut dropped = having_written(store, "l").await.commit_with(appending([event("a")]).0);
    let _ = (&mut dropped).now_or_never();
    drop(dropped);
    // What is borrowed from the signal must not be kept: whoever raises it next would wait.
    let risen = matches!(tokio::time::timeout(PATIENCE, signal.wait_for(|head| head.get() == 3)).await, Ok(Ok(_)));
    assert!(risen, "what was handed over was taken back");
    assert_eq!(revisions(store).await, [row("k"), row("l")]);
}

/// The signal rises to the position of the newest event, and whoever waits for it finds it.
pub async fn a_commit_with_events_wakes_readers(store: &dyn Store) {
    let mut signal = store.appended();
    signal.mark_unchanged();
    let waiting = async {
        tokio::time::timeout(PATIENCE, signal.changed()).await.expect("the signal was not raised").unwrap();
        let found = store.read(&Read::all(Position::START)).await.unwrap();
        (found.events.len(), *signal.borrow())
    };
    let (found, appended) = tokio::join!(waiting, committed(store, "k", appending([event("a"), event("a")])));
    assert_eq!(found, (2, appended.unwrap().position));
}

/// Limits and reserved streams hold for transactions as well (guarantee 11).
pub async fn what_appends_refuse_transactions_refuse(store: &dyn Store) {
    let reserved = NewEvent { stream: StreamId::new("$system", "x"), ..event("a") };
    let refused = committed(store, "k", appending([reserved])).await;
    assert!(matches!(refused, Err(AppendError::Reserved { .. })), "{refused:?}");
    let long = NewEvent { name: "x".repeat(513).into(), ..event("a") };
    let refused = committed(store, "k", appending([long])).await;
    assert!(matches!(&refused, Err(AppendError::Limit(limit)) if limit.what == "the name of an event"), "{refused:?}");
    assert_eq!((head(store).await, revisions(store).await), (0, vec![]));
    appending([event("a")]).stored_in(store).await;
}

/// What is no transaction of the store's database is named, with the store and the remedy.
pub async fn no_store_joins_what_is_no_transaction(store: &dyn Store) {
    match store.join(Box::new("a transaction")).await.map(drop) {
        Err(StoreError::NotJoined { store: place, given, remedy }) => {
            assert_eq!(place, store.address());
            assert!(given.contains("no `sqlx::Transaction") && remedy.contains("begin"), "{given}: {remedy}");
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
}
