//! One word decides when a view is folded; it does not decide what the documents are.

use annals::app::Builder;
use annals::message::Position;
use annals::prelude::*;
use annals::{Annals, SendError};
use futures_util::future::join_all;
use proptest::prelude::*;

use crate::given::{Lasting, PATIENCE};
use crate::tallies::*;

const STORES: [&str; 2] = ["memory:", "sqlite::memory:"];

fn all_modes() -> Builder {
    tallies().include::<Sums>().include::<InlineSums>().include::<LiveSums>()
}

#[derive(Debug, Clone)]
enum Act {
    Count { tally: u8, group: u8, amount: i64 },
    Clear { tally: u8, group: u8 },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0..3u8, 0..3u8, -9..9i64).prop_map(|(tally, group, amount)| Act::Count { tally, group, amount }),
        1 => (0..3u8, 0..3u8).prop_map(|(tally, group)| Act::Clear { tally, group }),
    ];
    proptest::collection::vec(act, 1..40)
}

async fn perform(app: &Annals, acts: &[Act]) {
    for act in acts {
        match *act {
            Act::Count { tally, group, amount } => {
                count_in(app, &format!("g{group}"), &format!("t{tally}"), amount).await;
            }
            Act::Clear { tally, group } => {
                app.send(Clear { tally: format!("t{tally}"), group: format!("g{group}") }).await.unwrap();
            }
        }
    }
}

type Documents = Vec<(String, i64, u32)>;

async fn documents(app: &Annals) -> [Documents; 3] {
    let folded = app.view::<Sums>().list(None, 100).await.unwrap();
    let inline = app.view::<InlineSums>().list(None, 100).await.unwrap();
    let live = app.view::<LiveSums>().list(None, 100).await.unwrap();
    [
        folded.into_iter().map(|(key, sum)| (key, sum.total, sum.times)).collect(),
        inline.into_iter().map(|(key, sum)| (key, sum.total, sum.times)).collect(),
        live.into_iter().map(|(key, sum)| (key, sum.total, sum.times)).collect(),
    ]
}

/// What the documents should be, without any framework.
fn expected(acts: &[Act]) -> Documents {
    let mut sums = std::collections::BTreeMap::<String, (i64, u32)>::new();
    for act in acts {
        match act {
            Act::Count { group, amount, .. } => {
                let (total, times) = sums.entry(format!("g{group}")).or_default();
                (*total, *times) = (*total + amount, *times + 1);
            }
            Act::Clear { group, .. } => drop(sums.remove(&format!("g{group}"))),
        }
    }
    sums.into_iter().map(|(key, (total, times))| (key, total, times)).collect()
}

fn the_three_modes_agree(url: &str, acts: &[Act]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let app = all_modes().store(url).start().await.unwrap();
        perform(&app, acts).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(documents(&app).await, [(); 3].map(|()| expected(acts)));
        app.shutdown().await.unwrap();
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_three_modes_agree_in_memory(acts in acts()) {
        the_three_modes_agree("memory:", &acts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_three_modes_agree_on_sqlite(acts in acts()) {
        the_three_modes_agree("sqlite::memory:", &acts);
    }
}

#[tokio::test]
async fn a_removed_document_begins_anew() {
    for url in STORES {
        let app = all_modes().store(url).start().await.unwrap();
        count_in(&app, "g", "t", 5).await;
        app.settled(PATIENCE).await.unwrap();
        app.send(Clear { tally: "t".into(), group: "g".into() }).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(documents(&app).await, [vec![], vec![], vec![]], "{url}");
        count_in(&app, "g", "t", 2).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(documents(&app).await, [(); 3].map(|()| vec![("g".to_owned(), 2, 1)]), "{url}");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn an_inline_document_is_there_when_send_returns() {
    for url in STORES {
        let app = all_modes().store(url).start().await.unwrap();
        for times in 1..=20 {
            count(&app, "t", 1).await;
            let sum = app.view::<InlineSums>().get(&"t".to_owned()).await.unwrap().unwrap();
            assert_eq!((sum.total, sum.times), (i64::from(times), times), "{url}");
        }
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_inline_document_loses_no_fold() {
    for lasting in Lasting::each() {
        let app = lasting.start(all_modes()).await;
        let senders = (0..150).map(|tally| {
            let app = app.clone();
            tokio::spawn(async move { count_in(&app, "hot", &format!("t{tally}"), 1).await })
        });
        for sent in join_all(senders).await {
            sent.unwrap();
        }
        let sum = app.view::<InlineSums>().get(&"hot".to_owned()).await.unwrap().unwrap();
        assert_eq!((sum.total, sum.times), (150, 150));
        app.shutdown().await.unwrap();
    }
}

/// A view that does not like the number 13.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "superstitious", key = String, inline)]
struct Superstitious {
    total: i64,
}

#[view_handlers]
impl Superstitious {
    #[handle(key = tally)]
    fn counted(&mut self, event: &Counted) {
        assert_ne!(event.amount, 13, "unlucky");
        self.total += event.amount;
    }
}

#[tokio::test]
async fn an_inline_view_that_panics_refuses_the_append() {
    for url in STORES {
        let app = tallies().include::<Superstitious>().store(url).start().await.unwrap();
        count(&app, "t", 1).await;
        let unlucky = Count { tally: "t".into(), group: "t".into(), amount: 13 };
        let refused = app.send(unlucky).await.unwrap_err();
        let SendError::Failed(failure) = refused;
        let source = std::error::Error::source(&failure).map(ToString::to_string).unwrap_or_default();
        assert!(format!("{failure}: {source}").contains("unlucky"), "{failure}: {source}");
        assert_eq!(app.journal().store().head().await.unwrap(), Position::new(1), "nothing was stored ({url})");
        count(&app, "t", 2).await;
        let document = app.view::<Superstitious>().get(&"t".to_owned()).await.unwrap();
        assert_eq!(document, Some(Superstitious { total: 3 }), "{url}");
        app.shutdown().await.unwrap();
    }
}

/// The same aversion, when the view is read.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "superstitious-reader", key = String, live)]
struct SuperstitiousReader {
    total: i64,
}

#[view_handlers]
impl SuperstitiousReader {
    #[handle(key = group)]
    fn counted(&mut self, event: &Counted) {
        assert_ne!(event.amount, 13, "unlucky");
        self.total += event.amount;
    }
}

#[tokio::test]
async fn a_live_view_that_panics_is_an_error_of_its_reader() {
    let app = tallies().include::<SuperstitiousReader>().store("memory:").start().await.unwrap();
    count(&app, "fine", 1).await;
    count(&app, "bad", 13).await;
    let view = app.view::<SuperstitiousReader>();
    assert_eq!(view.get(&"fine".to_owned()).await.unwrap(), Some(SuperstitiousReader { total: 1 }));
    assert!(matches!(view.get(&"bad".to_owned()).await, Err(annals::view::ViewError::Failed { .. })));
    app.shutdown().await.unwrap();
}

/// Where an append writes an inline document, the next command waits for it: each is decided on what is stored.
#[tokio::test]
async fn a_hot_aggregate_with_an_inline_document_is_decided_once_for_each_command() {
    for lasting in Lasting::each() {
        let app = lasting.start(all_modes().commands(|config| config.conflict_retries = 0)).await;
        let counts = (0..64).map(|_| count_in(&app, "g", "t", 1));
        for (version, sent) in (1..).zip(join_all(counts).await) {
            assert_eq!(sent.version, annals::Version::new(version));
        }
        let sum = app.view::<InlineSums>().get(&"g".to_owned()).await.unwrap().unwrap();
        assert_eq!((sum.total, sum.times), (64, 64));
        app.shutdown().await.unwrap();
    }
}

/// Appends for one document take turns on a node, so that none of them loses a race against the others: without a single
/// decision that is run again, all get through.
#[tokio::test]
async fn nobody_who_writes_a_hot_inline_document_is_turned_away() {
    for lasting in Lasting::each() {
        let app = lasting.start(tallies().include::<InlineSums>().commands(|config| config.conflict_retries = 0)).await;
        let senders = (0..256).map(|number| {
            let (tally, group) = (format!("t-{number}"), "hot".to_owned());
            app.send(Count { tally, group, amount: 1 }).into_future()
        });
        for sent in join_all(senders).await {
            sent.unwrap();
        }
        let hot = app.view::<InlineSums>().get(&"hot".to_owned()).await.unwrap().unwrap();
        assert_eq!((hot.total, hot.times), (256, 256));
        app.shutdown().await.unwrap();
    }
}
