//! Transactions, documents, snapshots.

use crate::message::{Position, SagaId};
use crate::store::records::ViewId;
use crate::store::{
    Conflict, DeadLetter, Document, DocumentChange, Expected, LetterState, SagaRow, SagaWrite, Segment, SegmentRow,
    SegmentState, SegmentWrite, Snapshot, SnapshotWrite, Store,
};

use super::given::{
    TENANT, appending, association, at, begin, commit, conflict, effect, event, saga_write, stream, timer, version,
    view,
};

use super::processors::{claimed, to};

fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

async fn put(store: &dyn Store, key: &str, body: Option<&str>) {
    let mut transaction = begin(store).await;
    let write = body.map_or_else(|| DocumentChange::remove(key), |body| DocumentChange::put(key, body));
    transaction.write_documents(&view(), vec![write]).await.unwrap();
    commit(transaction).await;
}

async fn document(store: &dyn Store, key: &str) -> Option<(u64, String)> {
    let mut found = store.documents(&view(), &keys(&[key])).await.unwrap();
    assert!(found.len() <= 1, "{found:?}");
    found.pop().map(|document| (document.revision, String::from_utf8(document.body).unwrap()))
}

/// A transaction that is dropped leaves nothing, and the next writer is not held up (guarantee 6).
pub async fn a_dropped_transaction_leaves_nothing(store: &dyn Store) {
    let claim = claimed(store, "p").await;
    let mut transaction = begin(store).await;
    transaction.advance(&[to(&claim, 5)]).await.unwrap();
    transaction.write_documents(&view(), vec![DocumentChange::put("k", b"1")]).await.unwrap();
    drop(transaction);
    appending([event("a")]).stored_in(store).await;
    assert_eq!(store.token(TENANT, "p").await.unwrap(), Some(Position::START));
    assert_eq!(document(store, "k").await, None);
}

/// A transaction whose future is cancelled half-way leaves nothing (guarantee 6).
pub async fn a_cancelled_transaction_leaves_nothing(store: &dyn Store) {
    for polls in 0..40 {
        let work = async {
            let mut transaction = begin(store).await;
            for key in 0..10 {
                let write = DocumentChange::put(key.to_string(), b"1");
                transaction.write_documents(&view(), vec![write]).await.unwrap();
                tokio::task::yield_now().await;
            }
            std::future::pending::<()>().await;
        };
        let turns = async {
            for _ in 0..polls {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = work => {}
            () = turns => {}
        }
        put(store, "kept", Some("1")).await;
    }
    let found = store.scan_documents(&view(), None, 100).await.unwrap();
    assert_eq!(found.iter().map(|document| document.key.as_str()).collect::<Vec<_>>(), ["kept"]);
}

/// A transaction sees its own writes; others see them after the commit (guarantee 6).
pub async fn a_transaction_sees_its_own_writes(store: &dyn Store) {
    put(store, "old", Some("0")).await;
    let mut transaction = begin(store).await;
    let writes = vec![DocumentChange::remove("old"), DocumentChange::put("new", b"1")];
    transaction.write_documents(&view(), writes).await.unwrap();
    let inside = transaction.documents(&view(), &keys(&["old", "new", "missing"])).await.unwrap();
    assert_eq!(inside, [Document { key: "new".to_owned(), revision: 1, body: b"1".to_vec() }]);
    assert_eq!(document(store, "old").await, Some((1, "0".to_owned())));
    assert_eq!(document(store, "new").await, None);
    commit(transaction).await;
    assert_eq!(document(store, "old").await, None);
    assert_eq!(document(store, "new").await, Some((1, "1".to_owned())));
}

/// Undoing to a mark keeps what came before it (guarantee 7).
pub async fn a_mark_is_returned_to(store: &dyn Store) {
    let claim = claimed(store, "p").await;
    let mut transaction = begin(store).await;
    let put = |key: String, body: &str| vec![DocumentChange::put(key, body)];
    for round in ["1", "2"] {
        transaction.write_documents(&view(), put(format!("kept-{round}"), round)).await.unwrap();
        transaction.mark().await.unwrap();
        transaction.write_documents(&view(), put(format!("undone-{round}"), round)).await.unwrap();
        transaction.undo_to_mark().await.unwrap();
    }
    transaction.mark().await.unwrap();
    transaction.write_documents(&view(), put("kept-3".to_owned(), "3")).await.unwrap();
    transaction.advance(&[to(&claim, 3)]).await.unwrap();
    commit(transaction).await;
    let found = store.scan_documents(&view(), None, 100).await.unwrap();
    assert_eq!(found.iter().map(|found| found.key.as_str()).collect::<Vec<_>>(), ["kept-1", "kept-2", "kept-3"]);
    assert_eq!(store.token(TENANT, "p").await.unwrap(), Some(Position::new(3)));
}

/// Transactions and appends that write the same document lose no write.
pub async fn appends_and_transactions_lose_no_document(store: &dyn Store) {
    let by_transactions = async {
        for _ in 0..20 {
            let mut transaction = begin(store).await;
            let count = transaction.documents(&view(), &keys(&["n"])).await.unwrap();
            let count = count.first().map_or(0, |found| String::from_utf8_lossy(&found.body).parse().unwrap_or(0));
            tokio::task::yield_now().await;
            let write = DocumentChange::put("n", (count + 1_u64).to_string());
            transaction.write_documents(&view(), vec![write]).await.unwrap();
            commit(transaction).await;
        }
    };
    let by_appends = async {
        let mut written = 0;
        while written < 20 {
            let (revision, body) = document(store, "n").await.unwrap_or((0, "0".to_owned()));
            let next = (body.parse::<u64>().unwrap() + 1).to_string();
            match appending([event("a")]).writing("n", revision, Some(&next)).to(store).await {
                Ok(_) => written += 1,
                lost => assert!(matches!(conflict(lost), Conflict::Document { .. })),
            }
        }
    };
    tokio::join!(by_transactions, by_appends);
    assert_eq!(document(store, "n").await, Some((40, "40".to_owned())));
}

/// A document commits with the events of its append; a stale one refuses both (guarantees 1 and 3).
pub async fn a_stale_document_is_a_conflict(store: &dyn Store) {
    appending([event("a")]).writing("k", 0, Some("1")).stored_in(store).await;
    assert_eq!(document(store, "k").await, Some((1, "1".to_owned())));
    let stale = appending([event("a")]).writing("k", 0, Some("2")).to(store).await;
    assert_eq!(conflict(stale), Conflict::Document { view: view().to_string(), key: "k".to_owned() });
    assert_eq!(store.head().await.unwrap(), Position::new(1));
    put(store, "k", Some("2")).await;
    conflict(appending([event("a")]).writing("k", 1, Some("3")).to(store).await);
    appending([event("a")]).writing("k", 2, Some("3")).stored_in(store).await;
    assert_eq!(document(store, "k").await, Some((3, "3".to_owned())));
}

/// A document that was removed can be written again; its revision goes on.
pub async fn a_removed_document_keeps_its_revision(store: &dyn Store) {
    appending([]).writing("k", 0, Some("1")).stored_in(store).await;
    appending([]).writing("k", 1, None).stored_in(store).await;
    assert_eq!(document(store, "k").await, None);
    conflict(appending([]).writing("k", 1, Some("2")).to(store).await);
    appending([]).writing("k", 0, Some("2")).stored_in(store).await;
    assert_eq!(document(store, "k").await, Some((3, "2".to_owned())));
    put(store, "k", None).await;
    put(store, "k", Some("3")).await;
    assert_eq!(document(store, "k").await, Some((5, "3".to_owned())));
}

/// Documents are scanned in key order, page by page, and each view has its own.
pub async fn documents_are_scanned_in_key_order(store: &dyn Store) {
    for key in ["b", "d", "a", "c"] {
        put(store, key, Some(key)).await;
    }
    put(store, "c", None).await;
    let scan = async |view: &ViewId, after: Option<&str>, limit| {
        let found = store.scan_documents(view, after, limit).await.unwrap();
        found.into_iter().map(|document| document.key).collect::<Vec<_>>()
    };
    assert_eq!(scan(&view(), None, 2).await, ["a", "b"]);
    assert_eq!(scan(&view(), Some("b"), 2).await, ["d"]);
    let others = [
        ViewId { version: 2, ..view() },
        ViewId { tenant: "x".to_owned(), ..view() },
        ViewId { name: "others".to_owned(), ..view() },
    ];
    for other in &others {
        assert!(scan(other, None, 10).await.is_empty(), "{other}");
        assert!(store.documents(other, &keys(&["a"])).await.unwrap().is_empty(), "{other}");
        let mut transaction = begin(store).await;
        transaction.write_documents(other, vec![DocumentChange::put("z", [0xff, 0])]).await.unwrap();
        commit(transaction).await;
        assert_eq!(store.documents(other, &keys(&["z"])).await.unwrap()[0].body, [0xff, 0]);
    }
    let mut transaction = begin(store).await;
    transaction.clear_documents(&view()).await.unwrap();
    assert!(transaction.documents(&view(), &keys(&["a"])).await.unwrap().is_empty());
    commit(transaction).await;
    assert!(scan(&view(), None, 10).await.is_empty());
    assert_eq!(scan(&others[0], None, 10).await, ["z"]);
    appending([]).writing("a", 0, Some("again")).stored_in(store).await;
    assert_eq!(document(store, "a").await, Some((1, "again".to_owned())));
}

/// A snapshot is found by its schema alone, and a newer one replaces it (guarantee 9).
pub async fn a_snapshot_is_found_by_its_schema(store: &dyn Store) {
    let snapshot = |version_number, schema: &str| Snapshot {
        version: version(version_number),
        position: Position::new(version_number + 10),
        schema: schema.to_owned(),
        state: vec![0xff, 0, b'x'],
    };
    assert_eq!(store.snapshot("", &stream("a"), "1").await.unwrap(), None);
    store.save_snapshot("", &stream("a"), snapshot(3, "1")).await.unwrap();
    assert_eq!(store.snapshot("", &stream("a"), "1").await.unwrap(), Some(snapshot(3, "1")));
    assert_eq!(store.snapshot("", &stream("a"), "2").await.unwrap(), None);
    assert_eq!(store.snapshot("x", &stream("a"), "1").await.unwrap(), None);
    assert_eq!(store.snapshot("", &stream("b"), "1").await.unwrap(), None);
    store.save_snapshot("", &stream("a"), snapshot(5, "1")).await.unwrap();
    assert_eq!(store.snapshot("", &stream("a"), "1").await.unwrap(), Some(snapshot(5, "1")));
}

/// Records of the same name belong to each tenant alone (guarantee 12).
pub async fn records_of_tenants_never_mix(store: &dyn Store) {
    let mut transaction = begin(store).await;
    for (tenant, position) in [("one", 1), ("two", 2)] {
        let row = SegmentRow {
            processor: "p".to_owned(),
            segment: Segment::WHOLE,
            position: Position::new(position),
            fence: 0,
            owner: None,
            state: SegmentState::Running,
            details: String::new(),
        };
        transaction.write_segments(tenant, vec![SegmentWrite::Add(row)]).await.unwrap();
    }
    commit(transaction).await;
    assert_eq!(store.segments("one").await.unwrap().len(), 1);
    assert_eq!(store.token("one", "p").await.unwrap(), Some(Position::new(1)));
    assert_eq!(store.token("two", "p").await.unwrap(), Some(Position::new(2)));
    assert_eq!(store.token("", "p").await.unwrap(), None);

    let id = SagaId::from(uuid::Uuid::from_u128(1));
    let of = |tenant: &str, state: &str| {
        let write = saga_write(id);
        let (mut effect, mut timer) = (effect(id, 1), timer(id, "payment", 2_000));
        (effect.tenant, timer.tenant) = (tenant.to_owned(), tenant.to_owned());
        SagaWrite {
            row: SagaRow { state: state.as_bytes().to_vec(), ..write.row },
            effects: vec![effect],
            timers: vec![timer],
            ..write
        }
    };
    let same_command = of("one", "1").effects[0].command;
    let with_command = |mut write: SagaWrite| {
        write.effects[0].command = same_command;
        write
    };
    let mut transaction = begin(store).await;
    for (tenant, state) in [("one", "1"), ("two", "2")] {
        transaction.write_sagas(tenant, "ordering", vec![with_command(of(tenant, state))]).await.unwrap();
    }
    for (tenant, state) in [("one", "1"), ("two", "2")] {
        let found = transaction.find_sagas(tenant, "ordering", &[association("o-1")], &[]).await.unwrap();
        assert_eq!(found.len(), 1, "{tenant}");
        assert_eq!(found[0].state, state.as_bytes());
        assert_eq!(transaction.find_sagas(tenant, "ordering", &[], &[id]).await.unwrap()[0].state, state.as_bytes());
    }
    assert!(transaction.find_sagas("", "ordering", &[], &[id]).await.unwrap().is_empty());
    transaction.finish_effects("one", &[same_command]).await.unwrap();
    let found = transaction.find_sagas("one", "ordering", &[], &[id]).await.unwrap().remove(0);
    let cancelled = vec!["payment".to_owned()];
    transaction.write_sagas("one", "ordering", vec![SagaWrite { cancelled, ..SagaWrite::of(found) }]).await.unwrap();
    assert_eq!(transaction.timers("two", "ordering", &[id]).await.unwrap().len(), 1);
    commit(transaction).await;
    let sagas = store.sagas();
    assert!(sagas.open_effects("one", "ordering", None, 10).await.unwrap().is_empty());
    assert_eq!(sagas.open_effects("two", "ordering", None, 10).await.unwrap()[0].tenant, "two");
    assert_eq!(sagas.due_effects("two", "ordering", Segment::WHOLE, at(1_000), 10).await.unwrap().len(), 1);
    assert!(sagas.due_timers("one", "ordering", Segment::WHOLE, at(9_000), 10).await.unwrap().is_empty());
    assert_eq!(sagas.due_timers("two", "ordering", Segment::WHOLE, at(9_000), 10).await.unwrap()[0].tenant, "two");
    assert_eq!(sagas.next_timer("one", "ordering", Segment::WHOLE).await.unwrap(), None);

    let letter = |tenant: &str| DeadLetter {
        tenant: tenant.to_owned(),
        processor: "p".to_owned(),
        position: Position::new(1),
        place: 0,
        component: "c".to_owned(),
        sequence: "s".to_owned(),
        event: "e".to_owned(),
        stream: "wallet/s".to_owned(),
        attempts: 1,
        state: LetterState::Parked,
        error: tenant.to_owned(),
        since: at(1_000),
    };
    let mut transaction = begin(store).await;
    transaction.add_letter(letter("one")).await.unwrap();
    transaction.add_letter(letter("two")).await.unwrap();
    assert!(transaction.remove_letter(&letter("one")).await.unwrap());
    assert!(transaction.held_sequences("one", "p", &keys(&["s"])).await.unwrap().is_empty());
    commit(transaction).await;
    assert_eq!(store.dead_letters("two", "p", (Position::START, 0), 10).await.unwrap(), [letter("two")]);
    assert!(store.dead_letters("one", "p", (Position::START, 0), 10).await.unwrap().is_empty());
}

/// Of a schema the newest snapshot stays; an older one is no step back. Each schema has its own.
pub async fn an_older_snapshot_replaces_no_newer_one(store: &dyn Store) {
    let snapshot = |number, schema: &str| Snapshot {
        version: version(number),
        position: Position::new(number),
        schema: schema.to_owned(),
        state: number.to_string().into_bytes(),
    };
    for kept in [snapshot(4, "1"), snapshot(3, "1"), snapshot(2, "2")] {
        store.save_snapshot("", &stream("a"), kept).await.unwrap();
    }
    assert_eq!(store.snapshot("", &stream("a"), "1").await.unwrap(), Some(snapshot(4, "1")));
    assert_eq!(store.snapshot("", &stream("a"), "2").await.unwrap(), Some(snapshot(2, "2")));
    assert_eq!(store.snapshot("x", &stream("a"), "1").await.unwrap(), None);
    assert_eq!(store.scavenge(at(9_000)).await.unwrap().snapshots, 1, "the older schema is pruned");
    assert_eq!(store.snapshot("", &stream("a"), "2").await.unwrap(), None);
    assert_eq!(store.snapshot("", &stream("a"), "1").await.unwrap(), Some(snapshot(4, "1")));
}

/// A snapshot that comes with an append commits with it, and only at the version that the append reaches.
pub async fn a_snapshot_commits_with_its_append(store: &dyn Store) {
    let write = |number| SnapshotWrite {
        stream: stream("a"),
        version: version(number),
        schema: "1".to_owned(),
        state: vec![0xff, 0],
    };
    let with = |expected, snapshot| {
        let mut draft = appending([event("a"), event("a")]).expecting("a", expected);
        draft.0.snapshots.push(snapshot);
        draft
    };
    with(Expected::NoStream, write(2)).stored_in(store).await;
    let kept = store.snapshot("", &stream("a"), "1").await.unwrap().expect("the snapshot is kept");
    assert_eq!((kept.version, kept.position, kept.state), (version(2), Position::new(2), vec![0xff, 0]));
    conflict(with(Expected::NoStream, write(4)).to(store).await);
    with(Expected::Any, write(3)).stored_in(store).await;
    let kept = store.snapshot("", &stream("a"), "1").await.unwrap().expect("the snapshot is kept");
    assert_eq!(kept.version, version(2), "neither that of a refused append, nor one of another version");
}
