//! Subscriptions whose updates are changes of view documents.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use annals::app::Builder;
use annals::prelude::*;
use annals::query::{Subscription, SubscriptionError, Updates};
use annals::view::processor_name;
use annals::{Annals, QueryError};
use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::sync::watch;

use crate::given::{Faults, Lasting, PATIENCE, eventually};
use crate::tallies::*;

/// How often a handler has run.
#[derive(Clone, Default)]
struct Runs(Arc<AtomicU32>);

impl Runs {
    fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Holds handlers up after they have read.
#[derive(Clone)]
struct Gate(Arc<watch::Sender<bool>>);

macro_rules! watched {
    ($($query:ident $name:literal $view:ident)*) => {$(
        #[derive(Query, Clone, Debug)]
        #[query(name = $name, reply = Option<(i64, u32)>)]
        struct $query {
            group: String,
        }

        #[query_handlers]
        impl $query {
            #[handle]
            async fn watched(query: $query, sums: Views<$view>, runs: &Runs) -> Result<Option<(i64, u32)>, QueryError> {
                runs.0.fetch_add(1, Ordering::SeqCst);
                Ok(sums.get(&query.group).await?.map(|sum| (sum.total, sum.times)))
            }
        }
    )*};
}
watched! { WatchSum "watch.sum" Sums WatchInline "watch.inline" InlineSums WatchLive "watch.live" LiveSums }

/// The sums of the first two groups.
#[derive(Query, Clone, Debug)]
#[query(name = "watch.page", reply = Vec<(String, i64)>)]
struct WatchPage;

/// Reads, then waits at a gate, then answers.
#[derive(Query, Clone, Debug)]
#[query(name = "watch.slowly", reply = i64)]
struct WatchSlowly;

/// Fails on demand.
#[derive(Query, Clone, Debug)]
#[query(name = "watch.faulty", reply = i64)]
struct WatchFaulty;

struct Watch;

#[query_handlers]
impl Watch {
    #[handle]
    async fn page(_query: WatchPage, sums: Views<Sums>, runs: &Runs) -> Result<Vec<(String, i64)>, QueryError> {
        runs.0.fetch_add(1, Ordering::SeqCst);
        let page = sums.list(None, 2).await?;
        Ok(page.into_iter().map(|(group, sum)| (group, sum.total)).collect())
    }

    #[handle]
    async fn slowly(_query: WatchSlowly, sums: Views<Sums>, gate: &Gate) -> Result<i64, QueryError> {
        let sum = sums.get(&"t".to_owned()).await?.unwrap_or_default();
        let _ = gate.0.subscribe().wait_for(|open| *open).await;
        Ok(sum.total)
    }

    #[handle]
    async fn faulty(_query: WatchFaulty, sums: Views<Sums>, faults: &Faults) -> Result<i64, QueryError> {
        let sum = sums.get(&"t".to_owned()).await?.unwrap_or_default();
        if faults.strike("watch") { Err(QueryError::failed("told to fail")) } else { Ok(sum.total) }
    }
}

struct Given {
    runs: Runs,
    gate: Gate,
    faults: Faults,
}

impl Given {
    fn new() -> Self {
        Self { runs: Runs::default(), gate: Gate(Arc::new(watch::Sender::new(true))), faults: Faults::default() }
    }

    async fn start(&self, lasting: &Lasting) -> Annals {
        lasting.start(self.builder().queries(|config| config.poll = Duration::from_millis(25))).await
    }

    fn builder(&self) -> Builder {
        let builder = tallies().include::<Sums>().include::<InlineSums>().include::<LiveSums>().include::<Watch>();
        let builder = builder.include::<WatchSum>().include::<WatchInline>().include::<WatchLive>();
        builder.resource(self.runs.clone()).resource(self.gate.clone()).resource(self.faults.clone())
    }
}

async fn next<Q: annals::message::SubscriptionQuery>(updates: &mut Updates<Q>) -> Result<Q::Update, SubscriptionError> {
    let next = tokio::time::timeout(PATIENCE, updates.next()).await;
    next.expect("an update comes").expect("the subscription goes on")
}

/// Takes updates until one is as `wanted`.
async fn until<Q>(updates: &mut Updates<Q>, wanted: impl Fn(&Q::Update) -> bool) -> Vec<Q::Update>
where
    Q: annals::message::SubscriptionQuery,
{
    let mut seen = Vec::new();
    while !seen.last().is_some_and(&wanted) {
        seen.push(next(updates).await.unwrap());
    }
    seen
}

/// A subscription of the sum of a group, whatever the mode of its view.
trait Watching: annals::message::SubscriptionQuery<Reply = Option<(i64, u32)>, Update = Option<(i64, u32)>> {
    fn of(group: &str) -> Self;
}

macro_rules! watching {
    ($($query:ident)*) => {$(
        impl Watching for $query {
            fn of(group: &str) -> Self {
                Self { group: group.to_owned() }
            }
        }
    )*};
}
watching! { WatchSum WatchInline WatchLive }

async fn follows_every_change<Q: Watching>(app: &Annals, group: &str) {
    let Subscription { first, mut updates, .. } = app.subscribe(Q::of(group)).await.unwrap();
    assert_eq!(first, None, "{}", Q::NAME);
    count(app, group, 5).await;
    assert_eq!(until(&mut updates, |sum| *sum == Some((5, 1))).await.len(), 1, "{}", Q::NAME);
    join_all((0..20).map(|_| count(app, group, 1))).await;
    let seen = until(&mut updates, |sum| *sum == Some((25, 21))).await;
    let times: Vec<u32> = seen.iter().filter_map(|sum| sum.map(|(_, times)| times)).collect();
    assert!(times.is_sorted_by(|one, two| one < two), "newer each time: {times:?}");
    app.send(Clear { tally: group.to_owned(), group: group.to_owned() }).await.unwrap();
    assert_eq!(until(&mut updates, Option::is_none).await, [None], "{}", Q::NAME);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_a_document_is_an_update_in_every_mode() {
    for lasting in Lasting::each() {
        let app = Given::new().start(&lasting).await;
        follows_every_change::<WatchSum>(&app, "a").await;
        follows_every_change::<WatchInline>(&app, "b").await;
        follows_every_change::<WatchLive>(&app, "c").await;
        app.shutdown().await.unwrap();
    }
}

async fn runs_for_its_own_document_alone<Q: Watching>(app: &Annals, runs: &Runs) {
    app.settled(PATIENCE).await.unwrap();
    let mut subscription = app.subscribe(Q::of("mine")).await.unwrap();
    let mut next_update = std::pin::pin!(next(&mut subscription.updates));
    let before = runs.count();
    for number in 0..10 {
        count(app, &format!("other-{number}"), 1).await;
        app.settled(PATIENCE).await.unwrap();
        assert!(futures_util::poll!(next_update.as_mut()).is_pending());
    }
    assert_eq!(runs.count(), before, "{} was answered for documents that it does not read", Q::NAME);
    count(app, "mine", 1).await;
    assert!(next_update.await.unwrap().is_some(), "{}", Q::NAME);
    assert_eq!(runs.count(), before + 1, "{}", Q::NAME);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_that_a_query_has_not_read_do_not_run_it() {
    for lasting in Lasting::each() {
        let given = Given::new();
        let app = given.start(&lasting).await;
        // From the first page on this node keeps the view, and knows of each change.
        count(&app, "first", 1).await;
        runs_for_its_own_document_alone::<WatchSum>(&app, &given.runs).await;
        runs_for_its_own_document_alone::<WatchInline>(&app, &given.runs).await;
        runs_for_its_own_document_alone::<WatchLive>(&app, &given.runs).await;
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_behind_the_last_document_of_a_page_does_not_run_its_query() {
    for lasting in Lasting::each() {
        let given = Given::new();
        let app = given.start(&lasting).await;
        for group in ["b", "d"] {
            count(&app, group, 1).await;
        }
        app.settled(PATIENCE).await.unwrap();
        let mut subscription = app.subscribe(WatchPage).await.unwrap();
        assert_eq!(subscription.first, [("b".to_owned(), 1), ("d".to_owned(), 1)]);
        {
            let mut next_update = std::pin::pin!(next(&mut subscription.updates));
            // The changes of "b" and "d" may still be told, and run it without anything new. Those of "e" never do.
            let mut rounds = 0;
            loop {
                let before = given.runs.count();
                for _ in 0..5 {
                    count(&app, "e", 1).await;
                    app.settled(PATIENCE).await.unwrap();
                    assert!(futures_util::poll!(next_update.as_mut()).is_pending());
                }
                if given.runs.count() == before {
                    break;
                }
                rounds += 1;
                assert!(rounds < 10, "what lies behind the page runs its query");
            }
            count(&app, "c", 1).await;
            assert_eq!(next_update.await.unwrap(), [("b".to_owned(), 1), ("c".to_owned(), 1)]);
        }
        count(&app, "a", 3).await;
        assert_eq!(next(&mut subscription.updates).await.unwrap(), [("a".to_owned(), 3), ("b".to_owned(), 1)]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_between_the_registration_and_the_first_answer_is_not_missed() {
    for lasting in Lasting::each() {
        let given = Given::new();
        let app = given.start(&lasting).await;
        given.gate.0.send_replace(false);
        let subscribing = tokio::spawn(app.subscribe(WatchSlowly).into_future());
        eventually("the handler has read", async || (given.gate.0.receiver_count() > 0).then_some(())).await;
        count(&app, "t", 7).await;
        app.settled(PATIENCE).await.unwrap();
        given.gate.0.send_replace(true);
        let mut subscription = subscribing.await.unwrap().unwrap();
        assert_eq!(subscription.first, 0, "it was read before");
        assert_eq!(next(&mut subscription.updates).await.unwrap(), 7);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_is_slow_gets_the_newest_answer() {
    for lasting in Lasting::each() {
        let app = Given::new().start(&lasting).await;
        let mut subscription = app.subscribe(WatchSum { group: "t".into() }).buffer(1).await.unwrap();
        for _ in 0..50 {
            count(&app, "t", 1).await;
        }
        app.settled(PATIENCE).await.unwrap();
        assert_eq!(next(&mut subscription.updates).await.unwrap(), Some((50, 50)), "several changes are one update");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_answer_includes_what_was_sent() {
    for lasting in Lasting::each() {
        let app = Given::new().start(&lasting).await;
        for times in 1..=10 {
            let sent = count(&app, "t", 1).await;
            let subscription = app.subscribe(WatchSum { group: "t".into() }).after(&sent).await.unwrap();
            assert_eq!(subscription.first, Some((i64::from(times), times)));
        }
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_fails_is_reported_and_tried_again_by_itself() {
    for lasting in Lasting::each() {
        let given = Given::new();
        let app = given.start(&lasting).await;
        let mut subscription = app.subscribe(WatchFaulty).await.unwrap();
        given.faults.fail("watch", 2);
        count(&app, "t", 3).await;
        for _ in 0..2 {
            let failed = next(&mut subscription.updates).await.unwrap_err();
            assert!(matches!(failed, SubscriptionError::Query(QueryError::Failed { .. })), "{failed}");
        }
        assert_eq!(next(&mut subscription.updates).await.unwrap(), 3, "nothing else has changed since");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_is_never_older_than_the_one_before_also_while_the_view_is_built_anew() {
    for lasting in Lasting::each() {
        let builder = Given::new().builder();
        let builder = builder.processors(|config| config.batch = 3).queries(|config| {
            config.poll = Duration::from_millis(5);
        });
        let app = lasting.start(builder).await;
        let mut last = None;
        for _ in 0..40 {
            last = Some(count(&app, "t", 1).await);
        }
        let sent = last.unwrap();
        let mut subscription = app.subscribe(WatchSum { group: "t".into() }).after(&sent).await.unwrap();
        assert_eq!(subscription.first, Some((40, 40)));
        let collecting =
            tokio::spawn(async move { until(&mut subscription.updates, |sum| *sum == Some((44, 44))).await });
        for _ in 0..4 {
            app.processors().replay(&processor_name::<Sums>()).await.unwrap();
            count(&app, "t", 1).await;
            app.settled(PATIENCE).await.unwrap();
        }
        let seen = tokio::time::timeout(PATIENCE, collecting).await.expect("the newest answer comes").unwrap();
        let times: Vec<u32> = seen.iter().map(|sum| sum.map_or(0, |(_, times)| times)).collect();
        assert!(times.iter().all(|times| *times > 40) && times.is_sorted_by(|one, two| one < two), "{times:?}");
        app.shutdown().await.unwrap();
    }
}

async fn follows_the_other_node<Q: Watching>(here: &Annals, there: &Annals, group: &str) {
    let mut subscription = here.subscribe(Q::of(group)).await.unwrap();
    for times in 1..=5 {
        count(there, group, 2).await;
        until(&mut subscription.updates, |sum| *sum == Some((i64::from(times) * 2, times))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_are_followed_whichever_node_changes_them() {
    for lasting in Lasting::each() {
        if matches!(lasting, Lasting::Memory(_)) {
            continue;
        }
        let (one, two) = (Given::new().start(&lasting).await, Given::new().start(&lasting).await);
        for (number, (here, there)) in [(&one, &two), (&two, &one)].into_iter().enumerate() {
            follows_the_other_node::<WatchSum>(here, there, &format!("a{number}")).await;
            follows_the_other_node::<WatchInline>(here, there, &format!("b{number}")).await;
            follows_the_other_node::<WatchLive>(here, there, &format!("c{number}")).await;
        }
        // The subscription goes on when the node that keeps the view goes away.
        let mut subscription = two.subscribe(WatchSum { group: "d".into() }).await.unwrap();
        count(&one, "d", 1).await;
        until(&mut subscription.updates, |sum| *sum == Some((1, 1))).await;
        one.shutdown().await.unwrap();
        count(&two, "d", 1).await;
        until(&mut subscription.updates, |sum| *sum == Some((2, 2))).await;
        two.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_a_dead_letter_changes_is_an_update() {
    for lasting in Lasting::each() {
        let given = Given::new();
        let builder =
            tallies().include::<Touchy>().resource(given.faults.clone()).processors(|config| config.attempts = 1);
        let app = lasting.start(builder).await;
        given.faults.fail("touchy", 3);
        count(&app, "t", 1).await;
        let processor = processor_name::<Touchy>();
        let letter = eventually("the event is parked", async || {
            app.processors()
                .dead_letters(&processor)
                .await
                .unwrap()
                .into_iter()
                .find(|letter| letter.state == annals::store::LetterState::Parked)
        })
        .await;
        let mut subscription = app.subscribe(WatchTouchy).await.unwrap();
        assert_eq!(subscription.first, 0);
        given.faults.heal("touchy");
        app.processors().retry(&letter).await.unwrap();
        assert_eq!(next(&mut subscription.updates).await.unwrap(), 1);
        app.shutdown().await.unwrap();
    }
}

/// A view that fails on demand.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default)]
#[view(name = "touchy", key = String)]
struct Touchy {
    total: i64,
}

#[view_handlers]
impl Touchy {
    #[handle(key = group)]
    fn counted(&mut self, event: &Counted, faults: &Faults) {
        assert!(!faults.strike("touchy"), "told to fail");
        self.total += event.amount;
    }
}

#[derive(Query, Clone, Debug)]
#[query(name = "watch.touchy", reply = i64)]
struct WatchTouchy;

#[query_handlers]
impl Touchy {
    #[handle]
    async fn watched(_query: WatchTouchy, view: Views<Touchy>) -> Result<i64, QueryError> {
        Ok(view.get(&"t".to_owned()).await?.unwrap_or_default().total)
    }
}

#[tokio::test]
async fn a_shut_down_ends_a_subscription_with_an_error() {
    for lasting in Lasting::each() {
        let app = Given::new().start(&lasting).await;
        let mut subscription = app.subscribe(WatchSum { group: "t".into() }).await.unwrap();
        let waiting = tokio::spawn(async move {
            let error = next(&mut subscription.updates).await.unwrap_err();
            (error, subscription.updates.next().await.is_none())
        });
        let left = app.clone();
        app.shutdown().await.unwrap();
        let (error, over) = waiting.await.unwrap();
        assert!(matches!(error, SubscriptionError::ShutDown { query: "watch.sum" }) && over, "{error}");
        let late = left.subscribe(WatchSum { group: "t".into() }).await;
        assert!(matches!(late, Err(SubscriptionError::ShutDown { .. })));
    }
}
