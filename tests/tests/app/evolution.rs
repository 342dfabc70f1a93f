//! Events that became several, none, or what earlier ones make of them, under every read path (guarantee 10).

use annals::aggregate::AsOf;
use annals::app::Builder;
use annals::message::Tag;
use annals::prelude::*;
use annals::store::{
    Append, AppendError, Association, Condition, Conflict, Criteria, Criterion, ImportFileError, Importer, Line,
    MemoryStore, SharedStore,
};
use annals::{CommandFailure, SendError, StartError};
use serde_json::json;

use crate::baskets::*;
use crate::support::{PATIENCE, Place, eventually, in_each_place};

async fn put(store: &SharedStore, basket: &str, name: &str, revision: u32, payload: Json) {
    store.append(stored(basket, name, revision, &payload)).await.unwrap();
}

async fn check_out(store: &SharedStore, basket: &str, lines: Json) {
    put(store, basket, "basket.checked-out", 1, json!({ "basket": basket, "lines": lines })).await;
}

fn baskets(app: Builder) -> Builder {
    let app = app.include::<Opened>().include::<LineAdded>().include::<Priced>().include::<Labelled>();
    app.include::<Basket>().include::<Demand>()
}

fn readers(app: Builder) -> Builder {
    let app = baskets(app).include::<Sales>().include::<LiveSales>().include::<InlineSales>().include::<Prices>();
    app.include::<Restock>().include::<Shelf>().include::<Restocked>().processors(|config| {
        config.pause = std::time::Duration::from_millis(1);
        config.attempts = 2;
    })
}

async fn seen(app: &Annals, basket: &str) -> Vec<String> {
    app.aggregate::<Basket>(basket).load().await.unwrap().unwrap().state.seen
}

#[tokio::test]
async fn an_event_that_was_split_reaches_aggregates_in_its_parts_at_one_version() {
    in_each_place(async |place| {
        let store = place.node().await;
        check_out(&store, "b", json!({ "a": 1, "z": 2 })).await;
        put(&store, "b", "basket.viewed", 1, json!({})).await;
        put(&store, "b", "basket.line-added", 1, json!({ "basket": "b", "sku": "c", "quantity": 3 })).await;
        let app = place.start(baskets).await;
        let loaded = app.aggregate::<Basket>("b").load().await.unwrap().unwrap();
        assert_eq!(loaded.state.seen, ["opened", "1 a", "2 z", "3 c"]);
        assert_eq!(loaded.version, Version::new(3).unwrap(), "versions count what is stored");
        let first = app.aggregate::<Basket>("b").as_of(AsOf::Version(Version::FIRST)).await.unwrap().unwrap();
        assert_eq!(first.state.seen, ["opened", "1 a", "2 z"], "no version ends between the parts");
        assert_eq!(app.send(Look { basket: "b".into() }).await.unwrap().reply, "opened, 1 a, 2 z, 3 c");

        let history = app.aggregate::<Basket>("b").history().await.unwrap();
        let told: Vec<(&str, u64)> = history.iter().map(|entry| (&*entry.name, entry.recorded.version.get())).collect();
        let line = "basket.line-added";
        assert_eq!(told, [("basket.opened", 1), (line, 1), (line, 1), (line, 3)]);
        assert_eq!(history[2].payload, json!({ "basket": "b", "sku": "z", "quantity": 2 }));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn typed_steps_follow_one_another_and_may_fail() {
    in_each_place(async |place| {
        let store = place.node().await;
        put(&store, "b", "basket.labelled", 1, json!({ "basket": "b", "label": " for you " })).await;
        put(&store, "b", "basket.labelled", 2, json!({ "basket": "b", "text": "and me" })).await;
        put(&store, "c", "basket.labelled", 1, json!({ "basket": "c", "label": " " })).await;
        put(&store, "d", "basket.labelled", 1, json!({ "basket": "d" })).await;
        let app = place.start(baskets).await;
        assert_eq!(seen(&app, "b").await, ["for+you", "and+me"]);
        for (basket, reason) in [
            ("c", "the upcaster of `basket.labelled` from revision 1 failed: the label is empty"),
            ("d", "the payload of `basket.labelled` at revision 1 is unreadable"),
        ] {
            match app.send(Look { basket: basket.into() }).await {
                Err(SendError::Failed(CommandFailure::Evolve { source, .. })) => {
                    assert!(source.to_string().starts_with(reason), "{source}");
                }
                other => panic!("expected `Evolve`, got {other:?}"),
            }
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn decisions_meet_the_parts_inside_their_boundary() {
    in_each_place(async |place| {
        let store = place.node().await;
        check_out(&store, "b", json!({ "a": 1, "z": 2 })).await;
        check_out(&store, "c", json!({ "a": 4 })).await;
        let app = place.start(baskets).await;
        assert_eq!(app.send(CountSku { sku: "a".into() }).await.unwrap().reply, 5, "without the part about `z`");
        assert_eq!(app.send(CountSku { sku: "z".into() }).await.unwrap().reply, 2);
        let criteria = Criteria::from(Criterion::names(["basket.line-added"]).and_tag(Tag::new("sku", "z")));
        let condition = Some(Condition { criteria, after: Position::START });
        let refused = app.journal().append(Append { condition, ..Append::default() }).await;
        assert!(matches!(refused, Err(AppendError::Conflict(Conflict::Condition { .. }))), "{refused:?}");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn processors_views_and_sagas_find_the_parts_under_the_stored_name() {
    in_each_place(async |place| {
        let store = place.node().await;
        check_out(&store, "b", json!({ "a": 1, "y": 6, "z": 2 })).await;
        check_out(&store, "c", json!({ "a": 4 })).await;
        put(&store, "c", "basket.viewed", 1, json!({})).await;
        let app = place.start(readers).await;
        app.settled(PATIENCE).await.unwrap();
        for (sku, ordered) in [("a", 5), ("y", 6), ("z", 2)] {
            let key = sku.to_owned();
            assert_eq!(app.view::<Sales>().get(&key).await.unwrap(), Some(Sales { ordered }));
            assert_eq!(app.view::<LiveSales>().get(&key).await.unwrap(), Some(LiveSales { ordered }));
            assert_eq!(app.view::<InlineSales>().get(&key).await.unwrap(), Some(InlineSales { ordered }));
            let shelf = app.aggregate::<Shelf>(sku).load().await.unwrap().unwrap();
            assert_eq!(shelf.state.quantity, ordered, "each part has begun a saga of its own");
        }
        let instances = async |sku: &str| {
            let association = Association { key: "sku".into(), value: sku.into() };
            let mut transaction = app.journal().store().begin().await.unwrap();
            let found = transaction.find_sagas("", "restock", &[association], &[]).await.unwrap();
            found.into_iter().map(|row| row.id).collect::<Vec<_>>()
        };
        let (y, z) = (instances("y").await, instances("z").await);
        assert!(y.len() == 1 && z.len() == 1 && y != z, "{y:?} {z:?}");
        app.processors().replay("view:sales@1").await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(app.view::<Sales>().get(&"a".to_owned()).await.unwrap(), Some(Sales { ordered: 5 }));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn metadata_of_an_event_says_nothing_about_the_revision_of_a_command() {
    in_each_place(async |place| {
        let store = place.node().await;
        let mut append = stored("b", "basket.line-added", 1, &json!({ "basket": "b", "sku": "a", "quantity": 3 }));
        append.events[0].metadata = std::sync::Arc::new(Metadata::new().with("annals.revision", "7"));
        store.append(append).await.unwrap();
        let app = place.start(readers).await;
        app.settled(PATIENCE).await.unwrap();
        let shelf = app.aggregate::<Shelf>("a").load().await.unwrap().unwrap();
        assert_eq!(shelf.state.quantity, 3);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_part_of_an_event_that_fails_in_one_document_holds_up_no_other_document() {
    in_each_place(async |place| {
        let store = place.node().await;
        check_out(&store, "b", json!({ "a": 1, "rotten": 2 })).await;
        check_out(&store, "c", json!({ "a": 4 })).await;
        let app = place.start(readers).await;
        let letter = eventually(async || {
            let letters = app.processors().dead_letters("view:sales@1").await.unwrap();
            letters.into_iter().find(|letter| letter.attempts == 2)
        })
        .await;
        assert_eq!((letter.sequence.as_str(), letter.stream.as_str(), letter.place), ("rotten", "basket/b", 1));
        let sales = app.view::<Sales>();
        assert_eq!(sales.get(&"a".to_owned()).await.unwrap(), Some(Sales { ordered: 5 }), "the first part stays");
        app.processors().evict(&letter).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(sales.get(&"a".to_owned()).await.unwrap(), Some(Sales { ordered: 5 }), "and counts once");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_an_upcaster_does_not_declare_is_refused() {
    in_each_place(async |place| {
        let store = place.node().await;
        put(&store, "b", "basket.noted", 1, json!({ "basket": "b", "note": "opened" })).await;
        put(&store, "c", "basket.noted", 1, json!({ "basket": "c", "note": "odd" })).await;
        let app = place.start(baskets).await;
        assert_eq!(seen(&app, "b").await, ["opened"]);
        let error = app.aggregate::<Basket>("c").load().await.unwrap_err();
        let told = std::error::Error::source(&error).unwrap().to_string();
        let expected = "the upcaster of `basket.noted` from revision 1 gave `basket.line-added` at revision 1, which it does \
                        not declare: name its type in `#[upcast(into(..))]`";
        assert_eq!(told, expected);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Two baskets whose events lie between one another, priced in different currencies.
async fn priced(store: &SharedStore) {
    for (basket, currency) in [("b", "EUR"), ("c", "USD")] {
        put(store, basket, "basket.noted", 1, json!({ "basket": basket, "note": currency })).await;
    }
    for cents in [5, 0, 7] {
        for basket in ["b", "c"] {
            put(store, basket, "basket.priced", 1, json!({ "basket": basket, "cents": cents })).await;
        }
    }
    put(store, "b", "basket.noted", 1, json!({ "basket": "b", "note": "CHF" })).await;
    put(store, "b", "basket.priced", 1, json!({ "basket": "b", "cents": 9 })).await;
}

#[tokio::test]
async fn upcasters_know_what_earlier_events_of_the_stream_have_left() {
    in_each_place(async |place| {
        let store = place.node().await;
        priced(&store).await;
        let app = place.start(readers).await;
        app.settled(PATIENCE).await.unwrap();
        let (b, c) = (["5 EUR", "7 EUR", "9 CHF"], ["5 USD", "7 USD"]);
        assert_eq!(seen(&app, "b").await, b);
        assert_eq!(seen(&app, "c").await, c);
        let history = app.aggregate::<Basket>("b").history().await.unwrap();
        let currencies: Vec<&str> = history.iter().filter_map(|entry| entry.payload["currency"].as_str()).collect();
        assert_eq!(currencies, ["EUR", "EUR", "CHF"]);
        let prices = app.view::<Prices>();
        assert_eq!(prices.get(&"b".to_owned()).await.unwrap().unwrap().all, b);
        assert_eq!(prices.get(&"c".to_owned()).await.unwrap().unwrap().all, c);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_begins_in_the_middle_knows_it_as_well() {
    in_each_place(async |place| {
        let store = place.node().await;
        priced(&store).await;
        let app = place.start(readers).await;
        app.settled(PATIENCE).await.unwrap();
        app.aggregate::<Basket>("b").snapshot().await.unwrap();
        app.shutdown().await.unwrap();
        // Another process, whose memory is empty, goes on from a snapshot and from a token.
        let store = place.node().await;
        for basket in ["b", "c"] {
            put(&store, basket, "basket.priced", 1, json!({ "basket": basket, "cents": 11 })).await;
        }
        let app = place.start(readers).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(seen(&app, "b").await.last().unwrap(), "11 CHF");
        let prices = app.view::<Prices>();
        assert_eq!(prices.get(&"b".to_owned()).await.unwrap().unwrap().all.last().unwrap(), "11 CHF");
        assert_eq!(prices.get(&"c".to_owned()).await.unwrap().unwrap().all.last().unwrap(), "11 USD");
        // A single event, long after.
        let event = app.journal().event_at(Position::new(3)).await.unwrap().unwrap();
        let part = app.journal().decode(&event).await.unwrap().next().unwrap();
        assert_eq!(part.into_json().unwrap()["currency"], "EUR");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_export_tells_the_parts_and_leaves_out_what_was_dropped() {
    in_each_place(async |place| {
        let store = place.node().await;
        check_out(&store, "b", json!({ "a": 1 })).await;
        put(&store, "b", "basket.viewed", 1, json!({})).await;
        priced(&store).await;
        let app = place.start(baskets).await;
        let mut lines = Vec::new();
        app.export().write_to(&mut lines).await.unwrap();
        let text = String::from_utf8(lines.clone()).unwrap();
        let mut told = Vec::new();
        for line in text.lines() {
            told.push(match Line::from_json(line).unwrap() {
                Line::Part { event, part, parts } => format!("{} {} {part}/{parts}", event.position, event.name),
                Line::Event(event) => {
                    let payload: Json = serde_json::from_slice(&event.payload).unwrap();
                    format!("{} {} {}", event.position, event.name, payload["currency"])
                }
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(told[..3], ["1 basket.opened 0/2", "1 basket.line-added 1/2", "5 basket.priced \"EUR\""]);
        assert_eq!(told.last().unwrap(), "12 basket.priced \"CHF\"");

        let refused = Importer::into(std::sync::Arc::new(MemoryStore::new())).read(&mut lines.as_slice()).await;
        assert!(matches!(&refused, Err(ImportFileError::Line { line: 1, reason }) if reason.contains("Export::of")));
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("events.jsonl");
        // A file that was cut between two parts is gone on with at the whole event.
        std::fs::write(&file, format!("{}\n", text.lines().next().unwrap())).unwrap();
        app.export().write_to_file(&file).await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// By hand, so that the programs of other tests do not discover it.
#[derive(Serialize, Deserialize)]
struct StillCheckedOut {}

impl Event for StillCheckedOut {
    const NAME: &'static str = "basket.checked-out";
}

#[tokio::test]
async fn a_program_that_still_writes_what_it_lifts_does_not_start() {
    let location = annals::message::Location::here();
    let app = baskets(Annals::builder().without_discovery().store("memory:"));
    let app = app.declare(move |registrar| registrar.event::<StillCheckedOut>(location));
    let Err(StartError::Problems(problems)) = app.start().await else { panic!("it has started") };
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let expected = "an upcaster lifts `basket.checked-out` revision 1, which the program itself still writes: raise its \
                    revision, or remove the type";
    assert!(told[0].starts_with(expected), "{told:?}");
}

#[tokio::test]
async fn a_truncated_stream_is_read_from_what_is_left() {
    in_each_place(async |place: &Place| {
        let store = place.node().await;
        priced(&store).await;
        let app = place.start(baskets).await;
        app.stream(StreamId::new("basket", "b")).truncate_before(Version::new(4).unwrap()).await.unwrap();
        assert_eq!(seen(&app, "b").await, ["7 none", "9 CHF"], "events that were removed leave nothing");
        app.shutdown().await.unwrap();
    })
    .await;
}
