//! A snapshot that cannot be made costs nothing but speed (guarantee 9).

use std::future::IntoFuture;
use std::sync::Arc;

use annals::aggregate::SnapshotPolicy;
use annals::message::EventId;
use annals::prelude::*;
use annals::store::{Append, BatchLimits, Limits, MemoryStore, NewEvent, SharedStore, SqliteStore};

use crate::notebook::*;
use crate::snapshot_policies::version;
use crate::support::{begin, in_each_embedded_place, in_each_place};

fn each_event() -> SnapshotPolicy {
    SnapshotPolicy::on_request().every(1)
}

async fn notes(app: &Annals, notebook: &str) -> usize {
    app.aggregate::<Notebook>(notebook).load().await.unwrap().unwrap().state.notes.len()
}

#[tokio::test]
async fn events_whose_state_cannot_be_written_are_stored_without_a_snapshot() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Notebook>().snapshots::<Notebook>(each_event())).await;
        for (notebook, note) in [("n-1", "illegible"), ("n-2", "explosive")] {
            app.send(write(notebook, &["a"])).await.unwrap();
            assert_eq!(version(&app, notebook).await, Some(1));
            assert_eq!(app.send(write(notebook, &[note])).await.unwrap().version, Version::new(2), "{note}");
            assert_eq!(app.send(write(notebook, &["b"])).await.unwrap().reply, 2, "the state is kept in memory");
            assert_eq!(version(&app, notebook).await, Some(1));
            assert_eq!(notes(&app, notebook).await, 3);
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_event_that_panics_when_it_is_applied_is_stored_without_a_snapshot() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Notebook>().snapshots::<Notebook>(each_event())).await;
        app.send(write("n-1", &["a"])).await.unwrap();
        assert_eq!(app.send(write("n-1", &["mined"])).await.unwrap().version, Version::new(2));
        assert_eq!(version(&app, "n-1").await, Some(1));
        assert!(app.send(write("n-1", &["b"])).await.is_err(), "the state cannot be loaded");
        app.shutdown().await.unwrap();
    })
    .await;
}

async fn small_stores(directory: &tempfile::TempDir) -> [SharedStore; 2] {
    let mut limits = Limits::default();
    limits.payload_bytes = 100;
    let url = format!("sqlite://{}", directory.path().join("annals.db").display());
    let sqlite = SqliteStore::open_with(&url, limits.clone(), BatchLimits::default()).await.unwrap();
    [Arc::new(MemoryStore::with_limits(limits)), Arc::new(sqlite)]
}

/// Also where others have been decided on top of it: nothing is decided twice.
#[tokio::test]
async fn a_state_that_is_too_large_for_the_store_is_not_kept_and_nothing_else_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for store in small_stores(&directory).await {
        for (notebook, inline) in [("n-1", false), ("n-2", true)] {
            let app = Annals::builder().without_discovery().opened_store(store.clone()).include::<Notebook>();
            let app = if inline { app.include::<Shelf>() } else { app };
            let app = app.snapshots::<Notebook>(each_event()).start().await.unwrap();
            app.send(write(notebook, &["a"])).await.unwrap();
            assert_eq!(version(&app, notebook).await, Some(1));
            let calls: Vec<_> =
                (0..50).map(|_| tokio::spawn(app.send(write(notebook, &["note"])).into_future())).collect();
            for (version, call) in (2..).zip(calls) {
                assert_eq!(call.await.unwrap().unwrap().version, Version::new(version));
            }
            assert_eq!(notes(&app, notebook).await, 51);
            let kept = version(&app, notebook).await.unwrap();
            assert!((2..20).contains(&kept), "the last that fits is at {kept}");
            app.shutdown().await.unwrap();
        }
    }
}

/// Guarantee 4: what was moved on for a snapshot is of no use to others before it is handed to the store.
#[tokio::test]
async fn a_call_that_is_dropped_before_its_append_leaves_no_state_behind() {
    in_each_embedded_place(async |place| {
        let declare = |app: annals::app::Builder| {
            app.include::<Notebook>().include::<Shelf>().snapshots::<Notebook>(each_event())
        };
        let app = place.start(declare).await;
        for notebook in ["n-1", "n-2"] {
            app.send(write(notebook, &["a"])).await.unwrap();
        }
        let writing = app.journal().store().begin().await.unwrap();
        // It holds the shelf, so that the next one waits for its turn there.
        let first = tokio::spawn(app.send(write("n-1", &["b"])).into_future());
        tokio::task::yield_now().await;
        let mut dropped = app.send(write("n-2", &["never"])).into_future();
        begin(&mut dropped).await;
        drop(dropped);
        drop(writing);
        first.await.unwrap().unwrap();
        app.journal().append(foreign("n-2", "foreign")).await.unwrap();
        app.send(write("n-2", &["b"])).await.unwrap();
        let state = app.aggregate::<Notebook>("n-2").load().await.unwrap().unwrap().state;
        assert_eq!(state.notes, ["a", "foreign", "b"]);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// What another writer stores without asking the aggregate.
fn foreign(notebook: &str, note: &str) -> Append {
    let event = NewEvent {
        stream: StreamId::new("notebook", notebook),
        id: EventId::new(),
        name: "notebook.noted".into(),
        revision: 1,
        payload: serde_json::to_vec(&Noted { note: note.into(), shelf: "all".into() }).unwrap(),
        metadata: Arc::default(),
        tags: Vec::new(),
        recorded_at: Timestamp::EPOCH,
    };
    Append { events: vec![event], ..Append::default() }
}
