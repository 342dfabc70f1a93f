//! One event goes into many documents, and many streams into one.

use annals::Annals;
use annals::app::Builder;
use annals::prelude::*;
use annals::view::ViewHandlers;

use crate::auction::*;
use crate::given::{Dice, Lasting, PATIENCE};

fn all_modes() -> Builder {
    auction().include::<Labels>().include::<InlineLabels>().include::<LiveLabels>()
}

async fn documents<V: ViewHandlers>(app: &Annals) -> Vec<(String, Json)> {
    let documents = app.view::<V>().list(None, 100).await.unwrap();
    let single = async |key: &String| app.view::<V>().find_as_json(key).await;
    let mut all = Vec::new();
    for (key, document) in documents {
        let document = serde_json::to_value(&document).unwrap();
        assert_eq!(single(&key).await, document, "one by one they are the same");
        all.push((key, document));
    }
    all
}

/// Reads one document as JSON.
trait FindAsJson {
    async fn find_as_json(&self, key: &str) -> Json;
}

impl<V: ViewHandlers> FindAsJson for Views<V> {
    async fn find_as_json(&self, key: &str) -> Json {
        let found = self.all().page().await.unwrap().documents.into_iter().find(|found| found.key == key);
        found.map_or(Json::Null, |found| serde_json::to_value(&found.document).unwrap())
    }
}

#[tokio::test]
async fn an_event_changes_each_document_that_it_names_once() {
    for lasting in Lasting::each() {
        let app = lasting.start(all_modes()).await;
        offer(&app, "xy", "ann", 1, &["red", "new", "red"]).await;
        // Many streams, one document.
        offer(&app, "b", "bob", 1, &["new"]).await;
        offer(&app, "c", "bob", 1, &[]).await;
        sell(&app, "xy", Some("cid"), 2).await;
        sell(&app, "b", None, 2).await;
        app.send(Withdraw { lot: "xy".into() }).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        let label = |offered: u32, lots: &[&str], first_of: u32, bought: u32, withdrawn: u32| {
            serde_json::json!({
                "offered": offered, "lots": lots, "first_of": first_of, "bought": bought, "withdrawn": withdrawn
            })
        };
        let expected = [
            ("cid".to_owned(), label(0, &[], 0, 1, 0)),
            ("new".to_owned(), label(2, &["xy", "b"], 1, 0, 0)),
            ("red".to_owned(), label(1, &["xy"], 1, 0, 0)),
            // The letters of the lot that was withdrawn; the last one took its document away.
            ("x".to_owned(), label(0, &[], 0, 0, 1)),
        ];
        assert_eq!(documents::<Labels>(&app).await, expected, "asynchronous, {}", lasting.url());
        assert_eq!(documents::<InlineLabels>(&app).await, expected, "inline, {}", lasting.url());
        assert_eq!(documents::<LiveLabels>(&app).await, expected, "live, {}", lasting.url());
        // A live document is found by the tags of its events, or, where a function names it, among all of them.
        for key in ["cid", "new", "x"] {
            let live = app.view::<LiveLabels>().get(&key.to_owned()).await.unwrap().unwrap();
            let inline = app.view::<InlineLabels>().get(&key.to_owned()).await.unwrap().unwrap();
            assert_eq!(serde_json::to_value(live).unwrap(), serde_json::to_value(inline).unwrap(), "{key}");
        }
        let twice = app.view::<InlineLabels>().filter(InlineLabels::OFFERED.at_least(2)).page().await.unwrap();
        assert_eq!(keys(&twice), ["new"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn random_events_of_many_documents_are_folded_alike_in_every_mode() {
    let seed = Dice::any_seed();
    println!("seed {seed}");
    for lasting in Lasting::each() {
        let mut dice = Dice::seeded(seed);
        let app = lasting.start(all_modes()).await;
        for _ in 0..60 {
            Act::any(&mut dice).perform(&app).await;
        }
        app.settled(PATIENCE).await.unwrap();
        let live = documents::<LiveLabels>(&app).await;
        assert_eq!(documents::<Labels>(&app).await, live, "asynchronous, seed {seed}, {}", lasting.url());
        assert_eq!(documents::<InlineLabels>(&app).await, live, "inline, seed {seed}, {}", lasting.url());
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn writers_of_one_document_lose_no_event_and_its_revision_tells_its_versions_apart() {
    for lasting in Lasting::each() {
        let app = lasting.start(all_modes()).await;
        let view = app.view::<InlineLabels>();
        let key = "red".to_owned();
        assert_eq!(view.get_versioned(&key).await.unwrap(), None);
        let offers = (0..12).map(|number| {
            let app = &app;
            async move { offer(app, &format!("l{number}"), "ann", 1, &["red"]).await }
        });
        futures_util::future::join_all(offers).await;
        let found = view.get_versioned(&key).await.unwrap().unwrap();
        assert_eq!((found.document.offered, found.revision), (12, 12), "{}", lasting.url());
        assert_eq!(view.get_versioned(&key).await.unwrap().unwrap(), found, "unchanged at the same revision");
        app.settled(PATIENCE).await.unwrap();
        let folded = app.view::<Labels>().get_versioned(&key).await.unwrap().unwrap();
        assert_eq!(folded.document.offered, 12);
        offer(&app, "z", "ann", 1, &["red"]).await;
        app.settled(PATIENCE).await.unwrap();
        assert!(view.get_versioned(&key).await.unwrap().unwrap().revision > found.revision);
        let later = app.view::<Labels>().get_versioned(&key).await.unwrap().unwrap();
        assert!(later.revision > folded.revision && later.document.offered == 13);
        let live = app.view::<LiveLabels>().get_versioned(&key).await.unwrap().unwrap();
        assert_eq!((live.revision, live.key.as_str()), (13, "red"));
        app.shutdown().await.unwrap();
    }
}
