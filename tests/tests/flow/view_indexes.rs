//! Documents are found by what they say, not only by their keys: the same ones whenever they were folded.

use annals::app::{Builder, StartError};
use annals::prelude::*;
use annals::query::Updates;
use annals::store::records::ViewId;
use annals::store::{DocumentChange, IndexChange, IndexEntry};
use annals::view::{Cursor, ViewError};
use annals::{Annals, QueryError};
use futures_util::{StreamExt, TryStreamExt};

use crate::auction::*;
use crate::given::{Dice, Lasting, PATIENCE, eventually};

fn all_modes() -> Builder {
    auction().include::<Lots>().include::<InlineLots>().include::<LiveLots>()
}

/// Each question with what it finds, in order, and how many it counts.
async fn answers<V: LotView>(app: &Annals) -> Vec<String> {
    let mut answers = Vec::new();
    for (name, question) in V::questions(app) {
        let page = question.page().await.unwrap();
        assert_eq!(page.next, None);
        let count = question.count().await.unwrap();
        assert_eq!(count, page.documents.len() as u64, "{name}");
        assert_eq!(question.exists().await.unwrap(), count > 0, "{name}");
        assert_eq!(question.first().await.unwrap().map(|found| found.key).as_deref(), keys(&page).first().copied());
        answers.push(format!("{name}: {}", keys(&page).join(" ")));
    }
    answers
}

#[tokio::test]
async fn filters_and_orders_find_the_same_in_every_mode() {
    for lasting in Lasting::each() {
        let app = lasting.start(all_modes()).await;
        offer(&app, "a", "ann", 10, &["red", "new", "red"]).await;
        offer(&app, "b", "bob", -5, &["red"]).await;
        offer(&app, "c", "ann", -7, &[]).await;
        offer(&app, "d", "Ann", 0, &["new"]).await;
        offer(&app, "e", "eve", 11, &["reddish"]).await;
        offer(&app, "f", "ann", 3, &["old"]).await;
        sell(&app, "a", Some("cid"), 12).await;
        sell(&app, "e", Some("cleo"), 9).await;
        sell(&app, "b", None, -5).await;
        app.send(Withdraw { lot: "f".into() }).await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        let expected = [
            "all: a b c d e",
            "of ann: a c",
            "of ann by price: c a",
            "of ann or bob: a b c",
            "below zero: b c",
            "at most zero: d b c",
            "above ten: a",
            "middling: e d b",
            "to c..: e a",
            "to somebody: a e",
            "red: a b",
            "red and new: a",
            "red or new, dear: a",
            "sold by price: a e b",
            "of nobody: ",
        ];
        assert_eq!(answers::<Lots>(&app).await, expected, "asynchronous, {}", lasting.url());
        assert_eq!(answers::<InlineLots>(&app).await, expected, "inline, {}", lasting.url());
        assert_eq!(answers::<LiveLots>(&app).await, expected, "live, {}", lasting.url());
        app.shutdown().await.unwrap();
    }
}

/// What all pages of each question show.
async fn paged<V: LotView>(app: &Annals, limit: usize) -> Vec<String> {
    let mut shown = Vec::new();
    for (name, question) in V::questions(app) {
        let mut next = question.clone().limit(limit);
        let mut pages = Vec::new();
        loop {
            let page = next.page().await.unwrap();
            assert!(page.documents.len() <= limit);
            pages.extend(page.documents.iter().map(|found| format!("{} {}", found.key, found.document.seen())));
            let Some(cursor) = page.next else { break };
            // On its way to a client and back it is a text.
            let cursor: Cursor = serde_json::from_str(&serde_json::to_string(&cursor).unwrap()).unwrap();
            next = next.after(cursor);
        }
        let streamed: Vec<_> = question.clone().limit(limit).stream().try_collect().await.unwrap();
        assert_eq!(streamed.len(), pages.len(), "{name}");
        assert_eq!(question.count().await.unwrap(), pages.len() as u64, "{name}");
        shown.push(format!("{name}: {}", pages.join("; ")));
    }
    shown
}

#[tokio::test]
async fn random_histories_give_equal_documents_pages_and_counts_in_every_mode() {
    let seed = Dice::any_seed();
    println!("seed {seed}");
    for lasting in Lasting::each() {
        let mut dice = Dice::seeded(seed);
        let app = lasting.start(all_modes()).await;
        for _ in 0..3 {
            for _ in 0..25 {
                Act::any(&mut dice).perform(&app).await;
            }
            app.settled(PATIENCE).await.unwrap();
            let limit = usize::try_from(dice.below(4)).unwrap() + 1;
            let live = paged::<LiveLots>(&app, limit).await;
            assert_eq!(paged::<Lots>(&app, limit).await, live, "asynchronous, seed {seed}, {}", lasting.url());
            assert_eq!(paged::<InlineLots>(&app, limit).await, live, "inline, seed {seed}, {}", lasting.url());
        }
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn pages_stay_in_step_when_documents_come_and_go() {
    for lasting in Lasting::each() {
        let app = lasting.start(auction().include::<InlineLots>()).await;
        for (lot, price) in [("a", 1), ("b", 2), ("c", 2), ("d", 3)] {
            offer(&app, lot, "ann", price, &[]).await;
        }
        let lots = app.view::<InlineLots>();
        let by_price = lots.order_by(InlineLots::PRICE.ascending()).limit(2);
        let first = by_price.page().await.unwrap();
        assert_eq!(keys(&first), ["a", "b"]);
        // The last document of the page goes, one comes before the place and one behind it.
        app.send(Withdraw { lot: "b".into() }).await.unwrap();
        offer(&app, "aa", "ann", 0, &[]).await;
        offer(&app, "bb", "ann", 2, &[]).await;
        let second = by_price.clone().after(first.next.clone()).page().await.unwrap();
        assert_eq!(keys(&second), ["bb", "c"]);
        let third = by_price.clone().after(second.next).page().await.unwrap();
        assert_eq!((keys(&third), third.next.clone()), (vec!["d"], None));

        let elsewhere = lots.order_by(InlineLots::PRICE.descending()).after(first.next.clone()).page().await;
        assert!(matches!(elsewhere, Err(ViewError::Cursor { view: "lots-inline", .. })), "{elsewhere:?}");
        assert!(lots.all().after(first.next).page().await.is_err());
        app.shutdown().await.unwrap();
    }
}

#[derive(Query, Clone, Debug)]
#[query(name = "lots.watch-sold", reply = Vec<String>)]
struct WatchSold;

#[derive(Query, Clone, Debug)]
#[query(name = "lots.watch-count", reply = u64)]
struct WatchCount;

struct Watch;

#[query_handlers]
impl Watch {
    #[handle]
    async fn sold(_query: WatchSold, lots: Views<Lots>) -> Result<Vec<String>, QueryError> {
        let sold = lots.filter(Lots::STATUS.is(Status::Sold)).order_by(Lots::PRICE.ascending()).limit(2);
        Ok(sold
            .page()
            .await?
            .documents
            .into_iter()
            .map(|found| format!("{} {}", found.key, found.document.price))
            .collect())
    }

    #[handle]
    async fn count(_query: WatchCount, lots: Views<InlineLots>) -> Result<u64, QueryError> {
        Ok(lots.filter(InlineLots::SELLER.is(Seller("ann".into()))).count().await?)
    }
}

/// Takes updates until one is as wanted.
async fn until<Q>(updates: &mut Updates<Q>, wanted: &Q::Update)
where
    Q: annals::message::SubscriptionQuery,
    Q::Update: PartialEq,
{
    let heard = async { while updates.next().await.unwrap().unwrap() != *wanted {} };
    tokio::time::timeout(PATIENCE, heard).await.expect("the update comes");
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[tokio::test]
async fn a_subscription_hears_of_documents_that_enter_leave_and_change() {
    for lasting in Lasting::each() {
        let app = lasting.start(all_modes().include::<Watch>()).await;
        let mut sold = app.subscribe(WatchSold).await.unwrap();
        let mut count = app.subscribe(WatchCount).await.unwrap();
        assert_eq!((sold.first.len(), count.first), (0, 0));
        offer(&app, "b", "ann", 5, &[]).await;
        until(&mut count.updates, &1).await;
        sell(&app, "b", None, 5).await;
        until(&mut sold.updates, &lines(&["b 5"])).await;
        // One enters before the others, and one changes its place.
        offer(&app, "a", "bob", 1, &[]).await;
        sell(&app, "a", None, 1).await;
        until(&mut sold.updates, &lines(&["a 1", "b 5"])).await;
        sell(&app, "a", None, 9).await;
        until(&mut sold.updates, &lines(&["b 5", "a 9"])).await;
        // One leaves, and makes room for one that was behind the page.
        sell(&app, "c", None, 20).await;
        app.send(Withdraw { lot: "b".into() }).await.unwrap();
        until(&mut sold.updates, &lines(&["a 9", "c 20"])).await;
        until(&mut count.updates, &0).await;
        app.shutdown().await.unwrap();
    }
}

#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "lots", key = String)]
struct LotsByNothing {
    price: i64,
}

#[view_handlers]
impl LotsByNothing {
    #[handle(key = lot)]
    fn offered(&mut self, event: &Offered) {
        self.price = event.price;
    }
}

#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "lots", key = String, version = 2)]
struct LotsAnew {
    #[index(name = "cost")]
    price: i64,
}

#[view_handlers]
impl LotsAnew {
    #[handle(key = lot)]
    fn offered(&mut self, event: &Offered) {
        self.price = event.price;
    }
}

#[tokio::test]
async fn documents_with_other_indexes_are_refused_at_start_until_the_version_is_raised() {
    for lasting in Lasting::each() {
        let app = lasting.start(auction().include::<Lots>()).await;
        offer(&app, "a", "ann", 7, &[]).await;
        app.settled(PATIENCE).await.unwrap();
        app.shutdown().await.unwrap();

        let refused = lasting.try_start(auction().include::<LotsByNothing>()).await;
        let Err(StartError::Problems(problems)) = refused else { panic!("expected problems, got {refused:?}") };
        let problem = problems[0].to_string();
        let indexes = "with the index `buyer`, `label`, `price`, `seller`, `status`: raise the version";
        assert!(
            problem.contains("LotsByNothing` at version 1 were stored with") && problem.contains(indexes),
            "{problem}"
        );

        let app = lasting.start(auction().include::<LotsAnew>()).await;
        app.settled(PATIENCE).await.unwrap();
        let found = app.view::<LotsAnew>().filter(LotsAnew::PRICE.is(7)).page().await.unwrap();
        assert_eq!(keys(&found), ["a"]);
        app.shutdown().await.unwrap();
        lasting.start(auction().include::<Lots>()).await.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_replay_builds_the_entries_anew() {
    for lasting in Lasting::each() {
        let app = lasting.start(auction().include::<Lots>()).await;
        offer(&app, "a", "ann", 7, &["red"]).await;
        app.settled(PATIENCE).await.unwrap();
        // Somebody has invented a document and an entry.
        let view = ViewId { tenant: String::new(), name: "lots".into(), version: 1 };
        let mut transaction = app.journal().store().begin().await.unwrap();
        let entry = IndexChange::adding([IndexEntry::new("seller", "ann")]);
        let ghost = DocumentChange::put("ghost", serde_json::to_vec(&Lots::default()).unwrap()).with_index(entry);
        transaction.write_documents(&view, vec![ghost]).await.unwrap();
        transaction.commit().await.unwrap();
        let of_ann = app.view::<Lots>().filter(Lots::SELLER.is(Seller("ann".into())));
        assert_eq!(keys(&of_ann.page().await.unwrap()), ["a", "ghost"]);
        app.processors().replay("view:lots@1").await.unwrap();
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(keys(&of_ann.page().await.unwrap()), ["a"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_value_that_no_index_holds_fails_its_event_alone() {
    for lasting in Lasting::each() {
        let app = lasting.start(auction().include::<InlineLots>()).await;
        let offered = Offer { lot: "d".into(), seller: Seller("x".repeat(600)), price: 1, labels: Vec::new() };
        assert!(app.send(offered).await.is_err(), "an inline view refuses the append");
        app.shutdown().await.unwrap();

        let builder = auction().include::<Lots>().processors(|config| config.attempts = 1);
        let app = lasting.start(builder).await;
        offer(&app, "a", "ann", 1, &[]).await;
        offer(&app, "b", &"x".repeat(600), 1, &[]).await;
        offer(&app, "c", "ann", 1, &[]).await;
        let letters = eventually("it is put aside", async || {
            let letters = app.processors().dead_letters("view:lots@1").await.unwrap();
            (!letters.is_empty()).then_some(letters)
        });
        let letters = letters.await;
        assert!(letters[0].error.contains("the value of the index `seller` has 600 bytes"), "{}", letters[0].error);
        let lots = app.view::<Lots>();
        let others = lots.filter(Lots::SELLER.is(Seller("ann".into())));
        eventually("the others are folded", async || (others.count().await.unwrap() == 2).then_some(())).await;
        let asked = lots.filter(Lots::SELLER.is(Seller("x".repeat(600)))).page().await;
        assert!(matches!(asked, Err(ViewError::Failed { .. })), "{asked:?}");
        app.shutdown().await.unwrap();
    }
}
