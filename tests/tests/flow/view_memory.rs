//! A view keeps documents in memory between pages, and forgets them when somebody else may have written them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use annals::Annals;
use annals::app::Builder;
use annals::prelude::*;
use annals::processor::StartAt;
use annals::store::DocumentChange;
use annals::store::records::ViewId;

use crate::given::{Dice, Faults, Lasting, PATIENCE, eventually};
use crate::tallies::*;

const VIEW: &str = "view:weights@1";

/// By how much everything is multiplied, by mistake or not.
#[derive(Clone)]
struct Factor(Arc<AtomicI64>);

impl Default for Factor {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(1)))
    }
}

/// What was counted in each group, with a factor.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "weights", key = String)]
struct Weights {
    #[index]
    total: i64,
    times: u32,
}

#[view_handlers]
impl Weights {
    #[handle(key = group)]
    fn counted(&mut self, event: &Counted, factor: &Factor, faults: &Faults) {
        self.total += event.amount * factor.0.load(Ordering::Relaxed);
        self.times += 1;
        // After the document was changed: what has failed must leave nothing behind.
        assert!(!faults.strike(&format!("{}:{}", event.tally, event.amount)), "told to fail");
    }

    #[handle(key = group)]
    fn cleared(&mut self, _event: &Cleared) -> Keep {
        Keep::Delete
    }
}

#[derive(Clone, Default)]
struct Stage {
    factor: Factor,
    faults: Faults,
}

impl Stage {
    /// A node whose view keeps so many bytes.
    fn node(&self, memory: usize) -> Builder {
        let builder = tallies().include::<Weights>().resource(self.factor.clone()).resource(self.faults.clone());
        builder.processors(move |all| all.memory = memory)
    }
}

/// Enough for every document.
const PLENTY: usize = 1 << 20;

/// Counts, and waits until the view has it: a page of its own.
async fn page(app: &Annals, group: &str, amount: i64) {
    let sent = count(app, group, amount).await;
    app.view::<Weights>().after(&sent).await.unwrap();
}

async fn weight(app: &Annals, group: &str) -> Option<(i64, u32)> {
    let found = app.view::<Weights>().get(&group.to_owned()).await.unwrap();
    found.map(|weights| (weights.total, weights.times))
}

/// Groups in the order of what they weigh.
async fn by_weight(app: &Annals) -> Vec<(String, i64)> {
    let page = app.view::<Weights>().order_by(Weights::TOTAL.ascending()).page().await.unwrap();
    page.documents.into_iter().map(|found| (found.key, found.document.total)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_page_has_written_is_not_read_again_where_there_is_memory() {
    for (memory, expected) in [(PLENTY, (3, 2)), (0, (102, 8))] {
        for lasting in Lasting::each() {
            let app = lasting.start(Stage::default().node(memory)).await;
            page(&app, "t", 1).await;
            // Nobody may do that; here it shows who reads.
            let mut transaction = app.journal().store().begin().await.unwrap();
            let view = ViewId { tenant: String::new(), name: "weights".to_owned(), version: 1 };
            let behind_its_back = DocumentChange::put("t", br#"{"total":100,"times":7}"#);
            transaction.write_documents(&view, vec![behind_its_back]).await.unwrap();
            transaction.commit().await.unwrap();
            page(&app, "t", 2).await;
            assert_eq!(weight(&app, "t").await, Some(expected), "{memory}");
            app.shutdown().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_was_built_anew_is_read_anew() {
    for lasting in Lasting::each() {
        let stage = Stage::default();
        let (app, other) = (lasting.start(stage.node(PLENTY)).await, lasting.start(stage.node(PLENTY)).await);
        other.processors().stop(VIEW).unwrap();
        let mistaken = |mistaken: bool| stage.factor.0.store(if mistaken { 10 } else { 1 }, Ordering::Relaxed);
        let mut total = 0;
        for (builder, amounts) in [(&app, [1, 2, 3]), (&other, [4, 5, 6])] {
            mistaken(true);
            page(&app, "t", amounts[0]).await;
            page(&app, "t", amounts[1]).await;
            mistaken(false);
            total += amounts[0] + amounts[1];
            let built = builder.view::<Weights>().rebuild(&"t".to_owned()).await.unwrap().unwrap();
            assert_eq!(built.total, total);
            page(&app, "t", amounts[2]).await;
            total += amounts[2];
            assert_eq!(weight(&app, "t").await.unwrap().0, total);
        }
        assert_eq!(by_weight(&app).await, [("t".to_owned(), 21)]);
        app.shutdown().await.unwrap();
        other.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_node_has_written_between_two_claims_is_read_anew() {
    for lasting in Lasting::each() {
        let stage = Stage::default();
        let nodes = [lasting.start(stage.node(PLENTY)).await, lasting.start(stage.node(PLENTY)).await];
        let mut total = 0;
        for turn in 0..4 {
            let (at_work, resting) = (&nodes[turn % 2], &nodes[(turn + 1) % 2]);
            at_work.processors().start(VIEW).unwrap();
            resting.processors().stop(VIEW).unwrap();
            eventually("the other one has all of it", async || {
                let status = at_work.processors().status().await.unwrap().remove(0);
                status.segments.iter().all(|segment| segment.here).then_some(())
            })
            .await;
            for group in ["a", "b", "c"] {
                page(at_work, group, 1 + turn as i64).await;
                page(at_work, group, 1).await;
            }
            total += 2 + turn as i64;
            for group in ["a", "b", "c"] {
                assert_eq!(weight(at_work, group).await, Some((total, 2 * (turn as u32 + 1))), "turn {turn}");
            }
        }
        assert_eq!(by_weight(&nodes[0]).await.len(), 3);
        for node in nodes {
            node.shutdown().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_fails_and_a_letter_leave_nothing_wrong_in_memory() {
    for lasting in Lasting::each() {
        let stage = Stage::default();
        let app = lasting.start(stage.node(PLENTY)).await;
        page(&app, "t", 1).await;
        page(&app, "u", 1).await;
        // The page, and the event alone.
        stage.faults.fail("t:2", 2);
        count(&app, "t", 2).await;
        count(&app, "u", 2).await;
        count(&app, "t", 3).await;
        app.settled(PATIENCE).await.unwrap();
        assert_eq!((weight(&app, "t").await, weight(&app, "u").await), (Some((6, 3)), Some((3, 2))));
        page(&app, "t", 4).await;
        page(&app, "u", 3).await;
        assert_eq!((weight(&app, "t").await, weight(&app, "u").await), (Some((10, 4)), Some((6, 3))));
        assert_eq!(by_weight(&app).await, [("u".to_owned(), 6), ("t".to_owned(), 10)]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_empties_the_memory() {
    for lasting in Lasting::each() {
        let stage = Stage::default();
        let app = lasting.start(stage.node(PLENTY)).await;
        for amount in 1..=3 {
            page(&app, "t", amount).await;
        }
        app.processors().reset(VIEW, StartAt::Oldest).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(weight(&app, "t").await, Some((6, 3)));
        page(&app, "t", 4).await;
        assert_eq!((weight(&app, "t").await, by_weight(&app).await), (Some((10, 4)), vec![("t".to_owned(), 10)]));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_much_is_kept_the_documents_are_the_same() {
    let seed = Dice::any_seed();
    println!("seed {seed}");
    for memory in [0, 300, 1_000, PLENTY] {
        for lasting in Lasting::each() {
            let stage = Stage::default();
            let app = lasting.start(stage.node(memory)).await;
            let mut dice = Dice::seeded(seed);
            let mut expected: std::collections::BTreeMap<String, (i64, u32)> = Default::default();
            for round in 0..60 {
                let group = format!("g{}", dice.below(9));
                if dice.below(6) == 0 {
                    expected.remove(&group);
                    app.send(Clear { tally: group.clone(), group }).await.unwrap();
                } else {
                    let amount = dice.below(100) as i64;
                    let sum = expected.entry(group.clone()).or_default();
                    *sum = (sum.0 + amount, sum.1 + 1);
                    count(&app, &group, amount).await;
                }
                if round % 3 == 0 {
                    app.settled(PATIENCE).await.unwrap();
                }
            }
            app.settled(PATIENCE).await.unwrap();
            for group in (0..9).map(|number| format!("g{number}")) {
                assert_eq!(weight(&app, &group).await, expected.get(&group).copied(), "{group} in {memory}");
            }
            let mut totals: Vec<i64> = expected.values().map(|(total, _)| *total).collect();
            totals.sort_unstable();
            assert_eq!(by_weight(&app).await.into_iter().map(|(_, total)| total).collect::<Vec<_>>(), totals);
            app.shutdown().await.unwrap();
        }
    }
}
