//! Export as JSON lines and import, on every store.

use std::sync::{Arc, Mutex};

use annals::message::Position;
use annals::prelude::*;
use annals::store::{Export, ImportFileError, Importer, Line, Progress, SharedStore, Store};
use tokio::io::BufReader;

use crate::parcels::*;
use crate::support::{Place, in_each_place};
use crate::wallet::*;

async fn start(place: &Place) -> Annals {
    place.start(|app| app.include::<Wallet>()).await
}

/// 1,500 events in three streams, one of them archived and one ended.
async fn fill(app: &Annals) {
    for wallet in ["a", "b", "c"] {
        app.send(open(wallet, 1)).await.unwrap();
        for _ in 0..499 {
            app.send(deposit(wallet, 1)).await.unwrap();
        }
    }
    app.stream(StreamId::new("wallet", "b")).archive().await.unwrap();
    app.stream(StreamId::new("wallet", "c")).tombstone().await.unwrap();
    app.send(open("d", 1)).await.unwrap();
}

fn telling() -> (Arc<Mutex<Vec<Progress>>>, impl FnMut(Progress) + Send + 'static) {
    let told: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let teller = Arc::clone(&told);
    (told, move |progress| teller.lock().unwrap().push(progress))
}

async fn lines(export: Export) -> Vec<u8> {
    let mut lines = Vec::new();
    export.write_to(&mut lines).await.unwrap();
    lines
}

async fn memory() -> SharedStore {
    annals::store::open("memory:").await.unwrap()
}

#[tokio::test]
async fn a_store_is_copied_through_a_file_with_positions_times_and_the_life_of_its_streams() {
    in_each_place(async |place| {
        let app = start(place).await;
        fill(&app).await;
        app.shutdown().await.unwrap();
        let (source, copy) = (place.node().await, memory().await);
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("events.jsonl");
        let (told, teller) = telling();
        let exported = Export::of(source.clone()).on_progress(teller).write_to_file(&file).await.unwrap();
        assert_eq!((exported.events, exported.streams, exported.position), (1_001, 2, Position::new(1_501)));
        {
            let told = told.lock().unwrap();
            assert!(told.len() >= 2, "{told:?}");
            assert_eq!(told.last().unwrap().head, Some(Position::new(1_501)));
        }
        let (told, teller) = telling();
        let imported = Importer::into(copy.clone()).on_progress(teller).read_file(&file).await.unwrap();
        assert_eq!((imported.written, imported.known, imported.head), (1_001, 0, Position::new(1_501)));
        assert_eq!(told.lock().unwrap().last().unwrap().events, 1_001);
        let all = async |store: &dyn Store| store.export(Position::START, 5_000).await.unwrap();
        assert_eq!(all(&*copy).await, all(&*source).await);
        let streams = async |store: &dyn Store| {
            let streams = store.export_streams(None, 10).await.unwrap();
            streams.into_iter().map(|info| (info.stream, info.status, info.newest)).collect::<Vec<_>>()
        };
        assert_eq!(streams(&*copy).await, streams(&*source).await);
        source.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_export_goes_on_behind_the_last_whole_event_of_its_file() {
    in_each_place(async |place| {
        let app = start(place).await;
        fill(&app).await;
        app.shutdown().await.unwrap();
        let source = place.node().await;
        let whole = lines(Export::of(source.clone())).await;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("events.jsonl");
        for torn in [0, 1, whole.len() / 3, whole.len() / 2, whole.len() - 7, whole.len()] {
            std::fs::write(&file, &whole[..torn]).unwrap();
            Export::of(source.clone()).write_to_file(&file).await.unwrap();
            let written = std::fs::read(&file).unwrap();
            assert!(written == whole, "torn at {torn}: {} bytes instead of {}", written.len(), whole.len());
        }
        std::fs::write(&file, "something else\n").unwrap();
        let refused = Export::of(source.clone()).write_to_file(&file).await;
        assert!(matches!(refused, Err(annals::store::ExportError::Foreign { line: 1, .. })), "{refused:?}");
        assert_eq!(std::fs::read(&file).unwrap(), b"something else\n", "a foreign file is left alone");
        source.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_import_goes_on_after_a_stop() {
    in_each_place(async |place| {
        let app = start(place).await;
        fill(&app).await;
        app.shutdown().await.unwrap();
        let source = place.node().await;
        let whole = lines(Export::of(source.clone())).await;
        let copy = memory().await;
        let torn = &whole[..whole.len() / 2];
        let stopped = Importer::into(copy.clone()).read(&mut BufReader::new(torn)).await;
        assert!(matches!(stopped, Err(ImportFileError::Line { .. })), "the last line is torn: {stopped:?}");
        let imported = Importer::into(copy.clone()).read(&mut BufReader::new(whole.as_slice())).await.unwrap();
        assert_eq!(imported.written + imported.known, 1_001);
        assert_eq!(lines(Export::of(copy)).await, whole);
        source.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_line_that_is_none_is_named_by_its_number() {
    let wrong = b"{\"event\":1}\n";
    let refused = Importer::into(memory().await).read(&mut BufReader::new(wrong.as_slice())).await;
    let Err(ImportFileError::Line { line: 1, reason }) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("invalid type"), "{reason}");
}

#[tokio::test]
async fn the_export_of_an_application_tells_events_as_they_are_known_today() {
    in_each_place(async |place| {
        let store = place.node().await;
        let sent = br#"{"parcel":"p-1","kilograms":1.5}"#.to_vec();
        store.append(old("p-1", "parcel.sent", 1, sent, Timestamp::EPOCH)).await.unwrap();
        store
            .append(annals::store::Append {
                tenant: "other".to_owned(),
                ..old("p-2", "parcel.sent", 1, Vec::new(), Timestamp::EPOCH)
            })
            .await
            .unwrap();
        store.close().await;
        let app = place.start(|app| app.include::<ParcelPosted>().include::<Parcel>()).await;
        let lines = String::from_utf8(lines(app.export()).await).unwrap();
        let [line] = lines.lines().collect::<Vec<_>>()[..] else { panic!("one tenant, one event: {lines}") };
        let Line::Event(event) = Line::from_json(line).unwrap() else { panic!("{line}") };
        assert_eq!((event.name.as_str(), event.revision), ("parcel.posted", 3), "guarantee 10");
        let payload: serde_json::Value = serde_json::from_slice(&event.payload).unwrap();
        assert_eq!(payload["grams"], 1500);
        app.shutdown().await.unwrap();
    })
    .await;
}
