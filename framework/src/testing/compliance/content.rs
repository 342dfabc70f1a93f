//! What may be stored: bytes, texts, limits, tenants.

use std::sync::Arc;

use crate::message::{CommandId, Metadata, Position, Tag};
use crate::store::{
    AppendError, Criteria, Criterion, DocumentChange, Expected, NewEvent, Outcome, Read, ReadError, Snapshot,
    SnapshotWrite, Store, StoreError,
};

use super::given::{appending, event, filled, positions, read, stream, tagged, version, view};

/// Payloads come back byte for byte: empty, large, text of any kind, and bytes that are no text (guarantee 1).
pub async fn payloads_come_back_byte_for_byte(store: &dyn Store) {
    let any_text = "\"\\ \u{1}\u{7f}\u{80}\u{feff}\u{fffd}\u{ffff}\u{1f980}\u{10ffff} e\u{301} \r\n\t'`;--";
    let payloads: Vec<Vec<u8>> = vec![
        Vec::new(),
        any_text.as_bytes().to_vec(),
        b"before\0after".to_vec(),
        b"123".to_vec(),
        b"null".to_vec(),
        (0..=255).collect(),
        vec![0xff, 0xfe, 0xc3, 0x28],
        br#"{"amount": 5,   "note":"spaces stay"}"#.to_vec(),
        vec![b'x'; 1 << 20],
        (0..1 << 20).map(|number| (number % 251) as u8).collect(),
    ];
    let events = payloads.iter().map(|payload| NewEvent { payload: payload.clone(), ..event("a") });
    appending(events).stored_in(store).await;
    let page = read(store, Read::stream(stream("a"), None)).await;
    for (read, written) in page.events.iter().zip(&payloads) {
        assert!(read.payload == *written, "{} bytes came back as {}", written.len(), read.payload.len());
    }
    assert_eq!(page.events.len(), payloads.len());
}

/// Ids, names, tags and metadata may hold any text but the zero character.
pub async fn any_text_names_a_stream(store: &dyn Store) {
    let odd = "\"[]'\\ \u{1} \u{1f980}; DROP TABLE annals_events; --% _ 0012";
    let tag = Tag::new("colour", odd);
    let metadata = Arc::new(Metadata::new().with(odd, "zero \0 too"));
    let written = NewEvent { metadata: Arc::clone(&metadata), ..tagged(odd, odd, std::slice::from_ref(&tag)) };
    appending([written]).expecting(odd, Expected::NoStream).stored_in(store).await;
    appending([event("12")]).stored_in(store).await;
    appending([event("012")]).expecting("012", Expected::NoStream).stored_in(store).await;
    let page = read(store, Read::matching(Criterion::names([odd]).and_tag(tag), Position::START)).await;
    let [event] = page.events.as_slice() else { panic!("expected one event, got {:?}", page.events) };
    assert_eq!((&event.recorded.stream, event.recorded.name.as_str()), (&stream(odd), odd));
    assert_eq!(event.recorded.metadata(), metadata.as_ref());
    assert_eq!(store.stream_head("", &stream(odd)).await.unwrap(), Some(version(1)));
}

/// Ids, tags and names that differ in case, accents, trailing spaces or in how a letter is composed are different ones.
pub async fn texts_are_compared_byte_for_byte(store: &dyn Store) {
    let ids = ["a", "A", "a ", " a", "\u{e1}", "a\u{301}", "\u{df}", "ss", "0", "00", "", "1", "1.0"];
    for id in ids {
        let named = tagged(id, id, &[Tag::new("id", id)]);
        appending([named]).expecting(id, Expected::NoStream).stored_in(store).await;
        let mut transaction = super::given::begin(store).await;
        let document = vec![DocumentChange::put(id, id)];
        transaction.write_documents(&super::given::view(), document).await.unwrap();
        super::given::commit(transaction).await;
    }
    for (index, id) in ids.into_iter().enumerate() {
        let position = [index as u64 + 1];
        for wanted in [
            Read::stream(stream(id), None),
            Read::matching(Criterion::tag(Tag::new("id", id)), Position::START),
            Read::matching(Criterion::names([id]), Position::START),
        ] {
            assert_eq!(positions(&read(store, wanted.clone()).await.events), position, "{id:?}: {wanted:?}");
        }
        let found = store.documents(&super::given::view(), &[id.to_owned()]).await.unwrap();
        assert_eq!(found.len(), 1, "{id:?}");
        assert_eq!(found[0].body, id.as_bytes());
    }
}

/// Events come back with the revision of each, however it changes from one to the next.
pub async fn revisions_come_back(store: &dyn Store) {
    let revisions = [1, 1, 2, 1, 7, u32::MAX, 1];
    let events = revisions.map(|revision| NewEvent { revision, ..event("a") });
    appending(events).stored_in(store).await;
    for wanted in [Read::stream(stream("a"), None), Read::all(Position::START)] {
        let page = read(store, wanted).await;
        assert_eq!(page.events.iter().map(|event| event.recorded.revision).collect::<Vec<_>>(), revisions);
    }
}

/// What exceeds a limit is refused with the limit's name, before anything is written (guarantee 11).
pub async fn input_beyond_a_limit_is_refused(store: &dyn Store) {
    let long = "x".repeat(513);
    let many_tags: Vec<Tag> = (0..65).map(|number| Tag::new("n", number)).collect();
    let heavy = Arc::new(Metadata::new().with("note", "x".repeat(65 << 10)));
    for (event, what) in [
        (event(&long), "the id of a stream"),
        (event("a\0b"), "the id of a stream"),
        (NewEvent { name: long.clone().into(), ..event("a") }, "the name of an event"),
        (NewEvent { payload: vec![b'x'; (16 << 20) + 1], ..event("a") }, "the payload"),
        (NewEvent { metadata: heavy, ..event("a") }, "the metadata"),
        (tagged("a", "one", &many_tags), "the tag list"),
        (tagged("a", "one", &[Tag::new("n", &long)]), "the tag `n:xxx"),
        (tagged("a", "one", &[Tag::new("n", "\0")]), "the tag"),
        (tagged("a", "one", &[Tag::new("n:m", "1")]), "the key of the tag `n:m:1`"),
    ] {
        match appending([event]).to(store).await {
            Err(AppendError::Limit(limit)) => assert!(limit.what.starts_with(what), "{limit}"),
            other => panic!("{what} was not refused: {other:?}"),
        }
    }
    let vast = "x".repeat((16 << 20) + 1);
    for (append, what) in [
        (appending([event("a")]).writing("k", 0, Some(&vast)), "the document of `k`"),
        (appending([event("a")]).executing(CommandId::new(), &vast), "the answer of `wallet.credit`"),
    ] {
        match append.to(store).await {
            Err(AppendError::Limit(limit)) => assert_eq!(limit.what, what),
            other => panic!("{what} was not refused: {other:?}"),
        }
    }
    let many = appending((0..10_001).map(|_| event("a"))).to(store).await;
    assert!(matches!(many, Err(AppendError::Limit(_))), "10,001 events were not refused");
    assert_eq!(store.head().await.unwrap(), Position::START);
}

/// What no store takes is not asked for either: a read or a condition with a name that cannot be, or with more criteria
/// than the limit, is refused before a database sees it (guarantee 11).
pub async fn questions_beyond_a_limit_are_refused(store: &dyn Store) {
    let tagged = |tag| Criteria::from(Criterion::tag(tag));
    let many = (0..257).fold(Criteria::none(), |many, number| many.or(Criterion::tag(Tag::new("n", number))));
    for criteria in
        [tagged(Tag::new("n:m", "1")), tagged(Tag::new("n", "\0")), tagged(Tag::new("n", "x".repeat(600))), many]
    {
        let read = Read::matching(criteria.clone(), Position::START);
        assert!(matches!(store.read(&read).await, Err(ReadError::Limit(_))), "{criteria}");
        assert!(matches!(store.read_bare(&read).await, Err(ReadError::Limit(_))), "{criteria}");
        assert!(matches!(store.count(&read).await, Err(ReadError::Limit(_))), "{criteria}");
        let refused = appending([event("a")]).unless(criteria.clone(), Position::START).to(store).await;
        assert!(matches!(refused, Err(AppendError::Limit(_))), "{criteria}: {refused:?}");
    }
    let odd = stream("a\0b");
    assert!(matches!(store.read(&Read::stream(odd.clone(), None)).await, Err(ReadError::Limit(_))));
    assert!(matches!(store.stream_head("", &odd).await, Err(ReadError::Limit(_))));
    let snapshot = Snapshot {
        version: version(1),
        position: Position::new(1),
        schema: "1".to_owned(),
        state: vec![b'x'; (16 << 20) + 1],
    };
    let kept = store.save_snapshot("", &stream("a"), snapshot).await;
    assert!(matches!(kept, Err(StoreError::Limit(_))), "{kept:?}");
    assert_eq!(store.head().await.unwrap(), Position::START);
}

/// Streams, tags, commands and expectations of tenants have nothing to do with each other (guarantee 12).
pub async fn tenants_never_mix(store: &dyn Store) {
    let (tag, id) = (Tag::new("colour", "red"), CommandId::new());
    for tenant in ["", "x", "y"] {
        appending([tagged("a", "one", std::slice::from_ref(&tag))])
            .of_tenant(tenant)
            .expecting("a", Expected::NoStream)
            .unless(Criterion::tag(tag.clone()), Position::START)
            .executing(id, tenant)
            .stored_in(store)
            .await;
    }
    for (tenant, position) in [("", 1), ("x", 2), ("y", 3)] {
        assert_eq!(store.stream_head(tenant, &stream("a")).await.unwrap(), Some(version(1)));
        assert_eq!(store.command(tenant, id).await.unwrap().map(|record| record.position.get()), Some(position));
        let tagged = Criterion::tag(tag.clone());
        let reads = [
            Read::all(Position::START),
            Read::stream(stream("a"), None),
            Read::matching(tagged, Position::START),
            Read::matching(Criterion::names(["one"]), Position::START),
        ];
        for wanted in reads {
            let page = read(store, wanted.clone().tenant(tenant)).await;
            assert_eq!(positions(&page.events), [position], "{wanted:?}");
            assert_eq!(page.scanned, Position::new(3));
        }
    }
    assert_eq!(store.stream_head("z", &stream("a")).await.unwrap(), None);
}

/// One append of many events is one commit with dense versions (guarantee 1).
pub async fn a_large_append_is_stored_whole(store: &dyn Store) {
    let appended = appending((0..3_000).map(|_| event("a"))).stored_in(store).await;
    assert_eq!((appended.position, appended.version_of(&stream("a"))), (Position::new(3_000), Some(version(3_000))));
    filled(store, "a", 1).await;
    let page = read(store, Read::stream(stream("a"), Some(version(2_998))).limit(10)).await;
    assert_eq!(positions(&page.events), [2_999, 3_000, 3_001]);
}

/// Events with tags, the outcome of their command, a document and a snapshot commit together (guarantee 1).
pub async fn an_append_with_everything_in_it_is_stored_whole(store: &dyn Store) {
    let (command, tag) = (CommandId::new(), Tag::new("order", "o-1"));
    let events = [tagged("a", "wallet.credited", std::slice::from_ref(&tag))];
    let mut draft = appending(events).executing(command, "5").writing("k", 0, Some("document"));
    let (schema, state) = ("1".to_owned(), b"state".to_vec());
    draft.0.snapshots.push(SnapshotWrite { stream: stream("a"), version: version(1), schema, state });
    draft.stored_in(store).await;
    let found = store.read(&Read::matching(Criterion::tag(tag), Position::START)).await.unwrap();
    assert_eq!(positions(&found.events), [1]);
    let record = store.command("", command).await.unwrap().expect("the command is recorded");
    assert_eq!(record.outcome, Outcome::Done(b"5".to_vec()));
    let documents = store.documents(&view(), &["k".to_owned()]).await.unwrap();
    assert_eq!(documents.first().map(|document| document.body.as_slice()), Some(&b"document"[..]));
    let snapshot = store.snapshot("", &stream("a"), "1").await.unwrap().expect("the snapshot is kept");
    assert_eq!(snapshot.state, b"state");
}
