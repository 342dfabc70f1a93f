//! What is stored beside events passes upcasters as well: commands of sagas, snapshots of aggregates.

use annals::SendError;
use annals::app::Builder;
use annals::message::SagaId;
use annals::prelude::*;
use annals::store::{Append, Effect, EffectKind, NewEvent, SagaRow, SagaWrite, SharedStore, Snapshot};
use serde_json::json;

use crate::depot::*;
use crate::support::{PATIENCE, eventually, in_each_place};

fn depot(app: Builder) -> Builder {
    app.include::<Depot>().include::<Order>().include::<Ordered>().include::<Emptied>().include::<Supply>()
}

/// A command that a saga of old days has decided to send. `revision`: as programs of its time stored it.
async fn stored_command(store: &SharedStore, name: &str, revision: Option<&str>, payload: Json) {
    let id = SagaId::derived(uuid::Uuid::NAMESPACE_OID, &format!("{name} {payload}"));
    let effect = Effect {
        tenant: String::new(),
        command: CommandId::new(),
        saga: "supply".into(),
        saga_id: id,
        slice: 0,
        number: 1,
        group: 0,
        kind: EffectKind::Command,
        name: name.into(),
        payload: payload.to_string().into_bytes(),
        metadata: revision.into_iter().map(|revision| ("annals.revision", revision)).collect(),
        step: None,
        scope: None,
        label: None,
        attempts: 0,
        not_before: Timestamp::EPOCH,
        parked: None,
    };
    let row = SagaRow { state: br#"{"depot":"d"}"#.to_vec(), effects: 1, ..SagaRow::new(id, 0, Timestamp::EPOCH) };
    let write = SagaWrite { effects: vec![effect], ..SagaWrite::of(row) };
    let mut transaction = store.begin().await.unwrap();
    transaction.write_sagas("", "supply", vec![write]).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn orders(app: &Annals, depot: &str) -> Vec<(u32, String)> {
    app.aggregate::<Depot>(depot).load().await.unwrap().map(|depot| depot.state.orders).unwrap_or_default()
}

#[tokio::test]
async fn commands_that_sagas_sent_before_are_lifted_before_they_are_handled() {
    in_each_place(async |place| {
        let store = place.node().await;
        stored_command(&store, "depot.order", None, json!({ "depot": "a", "count": 4 })).await;
        stored_command(&store, "depot.order", Some("2"), json!({ "depot": "b", "pieces": 5 })).await;
        stored_command(&store, "depot.request", None, json!({ "depot": "c", "number": 6 })).await;
        stored_command(&store, "depot.order", None, json!({ "depot": "d", "count": 100 })).await;
        let app = place.start(depot).await;
        app.settled(PATIENCE).await.unwrap();
        for (depot, pieces) in [("a", 4), ("b", 5), ("c", 6)] {
            assert_eq!(orders(&app, depot).await, [(pieces, "of old".to_owned())]);
        }
        assert_eq!(
            orders(&app, "d").await,
            [(1, "100 was too much of `of old`".to_owned())],
            "the rejection came back"
        );
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_revision_of_a_stored_command_stays_its_own() {
    in_each_place(async |place| {
        let app = place.start(depot).await;
        let event = NewEvent {
            stream: StreamId::new("depot-log", "e"),
            id: EventId::new(),
            name: Emptied::NAME.into(),
            revision: 1,
            payload: br#"{"depot":"e"}"#.to_vec(),
            metadata: std::sync::Arc::new(Metadata::new().with("user", "ada").with("annals.revision", "1")),
            tags: Vec::new(),
            recorded_at: Timestamp::EPOCH,
        };
        app.journal().append(Append { events: vec![event], ..Append::default() }).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(orders(&app, "e").await, [(7, "fresh".to_owned())]);
        let history = app.aggregate::<Depot>("e").history().await.unwrap();
        let metadata = history[0].recorded.metadata();
        assert_eq!((metadata.get("user"), metadata.get("annals.revision")), (Some("ada"), None));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_command_that_cannot_be_lifted_is_parked_with_its_reason() {
    in_each_place(async |place| {
        let store = place.node().await;
        stored_command(&store, "depot.order", None, json!({ "depot": "a", "count": 0 })).await;
        stored_command(&store, "depot.order", Some("4"), json!({ "depot": "b", "parts": 1 })).await;
        let app = place.start(depot).await;
        let parked =
            eventually(async || Some(app.sagas().attention().await.unwrap()).filter(|parked| parked.len() == 2)).await;
        let mut reasons: Vec<&str> = parked.iter().filter_map(|parked| parked.attention.as_deref()).collect();
        reasons.sort_unstable();
        let failed = "`depot.order` failed: ";
        assert_eq!(reasons[0], format!("{failed}`depot.order` is stored at revision 4, this program reads revision 3"));
        let refused = "the upcaster of `depot.order` from revision 1 failed: nothing was ordered";
        assert_eq!(reasons[1], format!("{failed}{refused}"));
        app.shutdown().await.unwrap();
    })
    .await;
}

/// An old snapshot at version 2 of a stream whose events are gone.
async fn only_a_snapshot(store: &SharedStore, depot: &str, schema: &str, state: Json) {
    let stream = StreamId::new("depot", depot);
    for pieces in [1, 2, 3] {
        let event = NewEvent {
            stream: stream.clone(),
            id: EventId::new(),
            name: Ordered::NAME.into(),
            revision: 1,
            payload: json!({ "pieces": pieces, "note": "event" }).to_string().into_bytes(),
            metadata: std::sync::Arc::default(),
            tags: Vec::new(),
            recorded_at: Timestamp::EPOCH,
        };
        store.append(Append { events: vec![event], ..Append::default() }).await.unwrap();
    }
    let state = state.to_string().into_bytes();
    let (version, position) = (Version::new(2).unwrap(), Position::new(2));
    let snapshot = Snapshot { version, position, schema: schema.into(), state };
    store.save_snapshot("", &stream, snapshot).await.unwrap();
}

#[tokio::test]
async fn snapshots_of_older_revisions_are_lifted() {
    in_each_place(async |place| {
        let store = place.node().await;
        only_a_snapshot(&store, "a", "1-0123", json!({ "pieces": 50 })).await;
        only_a_snapshot(&store, "b", "2-4567", json!({ "orders": [60] })).await;
        let app = place.start(depot).await;
        let event = (3, "event".to_owned());
        assert_eq!(orders(&app, "a").await, [(50, "lifted".to_owned()), event.clone()]);
        assert_eq!(orders(&app, "b").await, [(60, "lifted".to_owned()), event]);
        // The next one is of today.
        app.aggregate::<Depot>("a").snapshot().await.unwrap();
        let schema = Depot::snapshots().unwrap().schema;
        let stream = StreamId::new("depot", "a");
        assert_eq!(app.journal().store().snapshot_schemas("", &stream).await.unwrap()[0], schema);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_that_nothing_lifts_is_ignored() {
    in_each_place(async |place| {
        let store = place.node().await;
        // Unreadable, of a newer program, of no revision, one whose upcaster panics.
        only_a_snapshot(&store, "a", "1-0", json!({ "weight": 1 })).await;
        only_a_snapshot(&store, "b", "4-0", json!({ "orders": [] })).await;
        only_a_snapshot(&store, "c", "old", json!({ "orders": [] })).await;
        only_a_snapshot(&store, "d", "2-0", json!({ "orders": [13] })).await;
        let app = place.start(depot).await;
        for depot in ["a", "b", "c", "d"] {
            let pieces: Vec<u32> = orders(&app, depot).await.into_iter().map(|(pieces, _)| pieces).collect();
            assert_eq!(pieces, [1, 2, 3], "from events, in `{depot}`");
            let order = Order { depot: depot.into(), pieces: 4, note: String::new() };
            let sent: Result<_, SendError<Full>> = app.send(order).await;
            sent.unwrap();
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn names_and_revisions_that_nobody_knows_are_reported() {
    in_each_place(async |place| {
        let store = place.node().await;
        only_a_snapshot(&store, "a", "3-0", json!({})).await;
        let mut strange = Vec::new();
        for (name, revision) in [("depot.burnt", 1), ("depot.ordered", 2), ("depot.burnt", 1)] {
            strange.push(NewEvent {
                stream: StreamId::new("depot", "z"),
                id: EventId::new(),
                name: name.into(),
                revision,
                payload: b"{}".to_vec(),
                metadata: std::sync::Arc::default(),
                tags: Vec::new(),
                recorded_at: Timestamp::EPOCH,
            });
        }
        store.append(Append { events: strange, ..Append::default() }).await.unwrap();
        let app = place.start(depot).await;
        let found = app.unknown_names().await.unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|unknown| {
                (unknown.name.as_str(), unknown.revision, unknown.known, unknown.events, unknown.first.get())
            })
            .collect();
        assert_eq!(told, [("depot.burnt", 1, None, 2, 4), ("depot.ordered", 2, Some(1), 1, 5)]);
        app.settled(PATIENCE).await.unwrap();
        assert!(app.processors().dead_letters("saga:supply").await.unwrap().is_empty(), "nobody asks for them");
        app.shutdown().await.unwrap();
    })
    .await;
}
