//! Export and import.

use crate::message::{EventId, Position, Tag};
use crate::store::{
    Criterion, Expected, Import, ImportError, NewEvent, Read, Retention, Store, StoredEvent, StreamChange,
    StreamStatus, Visibility,
};

use super::given::{appending, at, event, filled, positions, stream, tagged, version};

/// An event that was exported elsewhere.
fn exported(id: &str, number: u64, position: u64) -> StoredEvent {
    let NewEvent { stream, id, name, revision, payload, metadata, recorded_at, .. } = event(id);
    StoredEvent {
        tenant: String::new(),
        position: Position::new(position),
        stream,
        version: version(number),
        id,
        name,
        revision,
        payload,
        metadata: metadata.as_ref().clone(),
        tags: vec![Tag::new("colour", "red")],
        recorded_at,
        visibility: Visibility::Visible,
    }
}

fn events(events: impl IntoIterator<Item = StoredEvent>) -> Import {
    Import { events: events.into_iter().collect(), streams: Vec::new() }
}

/// An export shows every tenant's events with everything that is stored about them.
pub async fn an_export_shows_everything(store: &dyn Store) {
    let written = NewEvent { recorded_at: at(7), ..tagged("a", "one", &[Tag::new("colour", "red")]) };
    appending([written.clone()]).of_tenant("x").stored_in(store).await;
    filled(store, "b", 2).await;
    let all = store.export(Position::START, 10).await.unwrap();
    assert_eq!(all.iter().map(|event| event.position.get()).collect::<Vec<_>>(), [1, 2, 3]);
    let StoredEvent { tenant, stream, version: number, id, name, payload, metadata, tags, recorded_at, .. } = &all[0];
    assert_eq!((tenant.as_str(), stream, *number), ("x", &written.stream, version(1)));
    assert_eq!((*id, name, payload), (written.id, &written.name, &written.payload));
    assert_eq!((metadata, tags, *recorded_at), (written.metadata.as_ref(), &written.tags, at(7)));
    let rest = store.export(Position::new(1), 1).await.unwrap();
    assert_eq!((rest.len(), rest[0].position), (1, Position::new(2)));
}

/// An import keeps positions, versions, ids, times and tags, gaps and all.
pub async fn an_import_keeps_positions_and_times(store: &dyn Store) {
    let first = exported("a", 3, 5);
    let second = StoredEvent { recorded_at: at(9), tenant: "x".to_owned(), ..exported("a", 1, 8) };
    let imported = store.import(events([first.clone(), second.clone()])).await.unwrap();
    assert_eq!((imported.written, imported.known, imported.head), (2, 0, Position::new(8)));
    assert_eq!(store.export(Position::START, 10).await.unwrap(), [first, second]);
    let by_tag = Read::matching(Criterion::tag(Tag::new("colour", "red")), Position::START);
    assert_eq!(positions(&store.read(&by_tag).await.unwrap().events), [5]);
    let appended = appending([event("a")]).expecting("a", Expected::Version(version(3))).stored_in(store).await;
    assert_eq!((appended.position, appended.version_of(&stream("a"))), (Position::new(9), Some(version(4))));
}

/// An import that is repeated passes over what is there, and goes on behind it.
pub async fn an_import_goes_on_after_a_stop(store: &dyn Store) {
    let all: Vec<_> = (1..=6).map(|number| exported("a", number, number)).collect();
    store.import(events(all[..4].to_vec())).await.unwrap();
    let again = store.import(events(all[2..].to_vec())).await.unwrap();
    assert_eq!((again.written, again.known, again.head), (2, 2, Position::new(6)));
    assert_eq!(store.export(Position::START, 10).await.unwrap(), all);
}

/// An import that meets other events is refused whole.
pub async fn an_import_never_overwrites(store: &dyn Store) {
    filled(store, "a", 3).await;
    let before = store.export(Position::START, 10).await.unwrap();
    let moved = StoredEvent { position: Position::new(9), ..before[0].clone() };
    for (why, taken) in [("a position", exported("b", 1, 2)), ("a version", exported("a", 2, 9)), ("an id", moved)] {
        let refused = store.import(events([exported("c", 1, 7), taken])).await;
        assert!(matches!(refused, Err(ImportError::Taken { .. })), "{why}: {refused:?}");
    }
    let twice = StoredEvent { id: EventId::new(), ..exported("c", 2, 7) };
    let refused = store.import(events([exported("c", 1, 7), twice])).await;
    assert!(matches!(refused, Err(ImportError::Taken { .. })), "a position twice: {refused:?}");
    assert_eq!(store.export(Position::START, 10).await.unwrap(), before);
}

/// Hidden events are not exported; streams that ended, are archived or have a retention are, and come back as such.
pub async fn the_life_of_streams_is_exported_and_imported(store: &dyn Store) {
    for id in ["a", "b", "c", "d"] {
        filled(store, id, 2).await;
    }
    let retention = Retention { max_count: Some(5), max_age: None };
    for (id, change) in
        [("a", StreamChange::Tombstone), ("b", StreamChange::Archive), ("c", StreamChange::Retain(retention))]
    {
        store.change_stream("", &stream(id), Expected::Any, change).await.unwrap();
    }
    let all = store.export(Position::START, 10).await.unwrap();
    assert_eq!(all.iter().map(|event| event.position.get()).collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8]);
    assert_eq!((all[0].visibility, all[2].visibility), (Visibility::Archived, Visibility::Visible));
    let streams = store.export_streams(None, 10).await.unwrap();
    let told: Vec<_> =
        streams.iter().map(|info| (info.stream.id(), info.status, info.newest, info.retention)).collect();
    let newest = Some(version(2));
    let none = Retention::default();
    let expected = [
        ("a", StreamStatus::Tombstoned, newest, none),
        ("b", StreamStatus::Archived, newest, none),
        ("c", StreamStatus::Open, newest, retention),
    ];
    assert_eq!(told, expected);
    let behind = store.export_streams(Some(("", &stream("a"))), 1).await.unwrap();
    assert_eq!(behind, streams[1..2]);

    let other = Import {
        events: Vec::new(),
        streams: streams
            .iter()
            .map(|info| crate::store::StreamInfo { tenant: "copy".to_owned(), ..info.clone() })
            .collect(),
    };
    store.import(other).await.unwrap();
    let ended = appending([event("a")]).of_tenant("copy").to(store).await;
    assert!(matches!(ended, Err(crate::store::AppendError::StreamClosed { .. })), "{ended:?}");
    let info = store.stream_info("copy", &stream("c")).await.unwrap().unwrap();
    assert_eq!((info.retention, info.newest), (retention, newest));
}
