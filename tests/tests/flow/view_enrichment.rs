//! Reference data is looked up once for the events of a page, and the handlers of that page read it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use annals::app::{Builder, StartError};
use annals::prelude::*;
use annals::view::{Enriched, ViewHandlers};

use crate::auction::*;
use crate::given::{Faults, Lasting, PATIENCE, eventually};

/// Where names of sellers are looked up.
#[derive(Clone, Default)]
struct Directory {
    lookups: Arc<Mutex<Vec<(&'static str, usize)>>>,
    faults: Faults,
}

impl Directory {
    fn names(&self, view: &'static str, offered: &[Offered]) -> Result<Names, HandlerError> {
        if self.faults.strike("lookup") {
            return Err(HandlerError::new("the directory does not answer"));
        }
        assert!(!self.faults.strike("panic"), "told to panic");
        self.lookups.lock().unwrap().push((view, offered.len()));
        let sellers: BTreeSet<&String> = offered.iter().map(|offered| &offered.seller.0).collect();
        Ok(Names(sellers.into_iter().map(|seller| (seller.clone(), seller.to_uppercase())).collect()))
    }

    /// How many events each lookup of a view was for.
    fn lookups(&self, view: &str) -> Vec<usize> {
        let lookups = self.lookups.lock().unwrap();
        lookups.iter().filter(|(of, _)| *of == view).map(|(_, events)| *events).collect()
    }
}

struct Names(BTreeMap<String, String>);

/// Something else that is looked up, for two kinds of events.
struct Counted(usize);

macro_rules! named {
    ($($view:ident $name:literal $mode:ident)*) => {$(
        #[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
        #[view(name = $name, key = String, $mode)]
        struct $view {
            #[index]
            name: String,
            sold: bool,
        }

        #[view_handlers]
        impl $view {
            #[enrich]
            async fn names(offered: &[Offered], directory: &Directory) -> Result<Names, HandlerError> {
                tokio::task::yield_now().await;
                directory.names($name, offered)
            }

            #[enrich]
            fn counted(offered: &[Offered], sold: &[Sold], _now: Now) -> Counted {
                Counted(offered.len() + sold.len())
            }

            #[handle(key = lot)]
            fn offered(&mut self, event: &Offered, names: Enriched<Names>) {
                self.name = names.0[&event.seller.0].clone();
            }

            #[handle(key = lot)]
            fn sold(&mut self, _event: &Sold, counted: Enriched<Counted>) {
                self.sold = counted.0 > 0;
            }
        }
    )*};
}
named! { Named "named" asynchronous InlineNamed "named-inline" inline LiveNamed "named-live" live }

fn all_modes(directory: &Directory) -> Builder {
    auction().include::<Named>().include::<InlineNamed>().include::<LiveNamed>().resource(directory.clone())
}

async fn named<V: ViewHandlers>(app: &annals::Annals) -> Vec<(String, Json)> {
    let documents = app.view::<V>().list(None, 1000).await.unwrap();
    documents.into_iter().map(|(key, document)| (key, serde_json::to_value(&document).unwrap())).collect()
}

#[tokio::test]
async fn what_is_looked_up_is_the_same_in_every_mode() {
    for lasting in Lasting::each() {
        let directory = Directory::default();
        let app = lasting.start(all_modes(&directory)).await;
        offer(&app, "a", "ann", 1, &[]).await;
        offer(&app, "b", "bob", 1, &[]).await;
        sell(&app, "a", None, 2).await;
        app.settled(PATIENCE).await.unwrap();
        let live = named::<LiveNamed>(&app).await;
        assert_eq!(live[0].1, serde_json::json!({ "name": "ANN", "sold": true }), "{}", lasting.url());
        assert_eq!(live[1].1, serde_json::json!({ "name": "BOB", "sold": false }));
        assert_eq!(named::<Named>(&app).await, live);
        assert_eq!(named::<InlineNamed>(&app).await, live);
        assert_eq!(directory.lookups("named-inline"), [1, 1], "once for each append with such events");
        assert_eq!(directory.lookups("named-live"), [2], "once for the page of a read");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_page_is_looked_up_once() {
    for lasting in Lasting::each() {
        let directory = Directory::default();
        let app = lasting.start(auction()).await;
        for number in 0..40 {
            offer(&app, &format!("l{number:02}"), "ann", 1, &[]).await;
        }
        app.shutdown().await.unwrap();
        let builder = auction().include::<Named>().resource(directory.clone());
        let app = lasting.start(builder.processors(|config| config.batch = 16)).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(directory.lookups("named").iter().sum::<usize>(), 40, "each event once: {}", lasting.url());
        assert!(directory.lookups("named").len() <= 4, "{:?}", directory.lookups("named"));
        assert_eq!(app.view::<Named>().filter(Named::NAME.is("ANN")).count().await.unwrap(), 40);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_lookup_that_fails_is_an_error_of_the_handlers() {
    for fault in ["lookup", "panic"] {
        let directory = Directory::default();
        let lasting = Lasting::file();
        let app = lasting.start(auction().include::<Named>().resource(directory.clone())).await;
        directory.faults.fail(fault, 3);
        offer(&app, "a", "ann", 1, &[]).await;
        offer(&app, "b", "bob", 1, &[]).await;
        let all = async || (app.view::<Named>().all().count().await.unwrap() == 2).then_some(());
        eventually("they are tried again", all).await;
        app.shutdown().await.unwrap();

        let app = lasting.start(auction().include::<InlineNamed>().resource(directory.clone())).await;
        directory.faults.fail(fault, 1);
        let offered = Offer { lot: "c".into(), seller: Seller("cid".into()), price: 1, labels: Vec::new() };
        assert!(app.send(offered.clone()).await.is_err(), "{fault}: the append is refused");
        app.send(offered).await.unwrap();
        app.shutdown().await.unwrap();

        let app = lasting.start(auction().include::<LiveNamed>().resource(directory.clone())).await;
        directory.faults.fail(fault, 1);
        assert!(app.view::<LiveNamed>().get(&"a".to_owned()).await.is_err(), "{fault}: the read fails");
        assert_eq!(app.view::<LiveNamed>().get(&"a".to_owned()).await.unwrap().unwrap().name, "ANN");
        app.shutdown().await.unwrap();
    }
}

#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "named-by-nobody", key = String)]
struct NamedByNobody {}

#[view_handlers]
impl NamedByNobody {
    #[handle(key = lot)]
    fn offered(&mut self, _event: &Offered, _names: Enriched<Names>) {}
}

#[tokio::test]
async fn what_nobody_looks_up_is_found_at_start() {
    let refused = Lasting::file().try_start(auction().include::<NamedByNobody>()).await;
    let Err(StartError::Problems(problems)) = refused else { panic!("expected problems, got {refused:?}") };
    assert!(problems[0].to_string().contains("none of its methods with `#[enrich]` returns"), "{}", problems[0]);
}
