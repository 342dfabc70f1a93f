//! Updates that somebody emits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use annals::Annals;
use annals::prelude::*;
use annals::query::{SubscriptionError, Updates};
use futures_util::StreamExt;

use crate::given::{Faults, Lasting, PATIENCE, app, eventually};
use crate::tallies::*;

/// What is counted in a group, from now on.
#[derive(Query, Clone, Debug)]
#[query(name = "ticker.of", reply = String, update = i64)]
struct Ticker {
    group: String,
}

/// Emits what it handles, in its transaction.
#[derive(Clone, Default)]
struct Announcer {
    faults: Faults,
    handled: Arc<AtomicU32>,
}

#[event_handlers(processor = "announcer")]
impl Announcer {
    #[handle]
    async fn counted(&self, event: &Counted, updates: QueryUpdates) -> Result<(), HandlerError> {
        self.handled.fetch_add(1, Ordering::SeqCst);
        let (group, amount) = (event.group.clone(), event.amount);
        updates.emit::<Ticker>(move |query| query.group == group, move || amount);
        if self.faults.strike(&format!("{}:{}", event.tally, event.amount)) {
            return Err(HandlerError::new("told to fail"));
        }
        Ok(())
    }
}

#[query_handlers]
impl Announcer {
    #[handle]
    async fn ticker(&self, query: Ticker) -> Result<String, QueryError> {
        Ok(format!("the ticker of {}", query.group))
    }
}

/// A handler outside aggregates that emits.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "ticker.tell", reply = usize)]
struct Tell {
    group: String,
    amount: i64,
}

struct Teller;

#[command_handlers]
impl Teller {
    #[handle]
    async fn tell(command: Tell, updates: QueryUpdates) -> usize {
        updates.emit::<Ticker>(move |query| query.group == command.group, move || command.amount)
    }
}

async fn start(lasting: &Lasting, announcer: &Announcer) -> Annals {
    let builder = tallies().include::<Announcer>().include::<Teller>().include::<Ticker>();
    lasting.start(builder.resource(announcer.clone())).await
}

fn ticker(group: &str) -> Ticker {
    Ticker { group: group.into() }
}

async fn next(updates: &mut Updates<Ticker>) -> Result<i64, SubscriptionError> {
    let next = tokio::time::timeout(PATIENCE, updates.next()).await;
    next.expect("an update comes").expect("the subscription goes on")
}

fn all(_: &Ticker) -> bool {
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_handler_tells_those_whose_query_matches() {
    for lasting in Lasting::each() {
        let app = start(&lasting, &Announcer::default()).await;
        let mut mine = app.subscribe(ticker("mine")).await.unwrap();
        let mut other = app.subscribe(ticker("other")).await.unwrap();
        assert_eq!(mine.first, "the ticker of mine");
        for amount in 1..=20 {
            count(&app, "mine", amount).await;
        }
        count(&app, "other", 99).await;
        for amount in 1..=20 {
            assert_eq!(next(&mut mine.updates).await.unwrap(), amount, "in order");
        }
        assert_eq!(next(&mut other.updates).await.unwrap(), 99);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_emitted_in_a_transaction_leaves_after_its_commit_and_never_if_it_is_rolled_back() {
    for lasting in Lasting::each() {
        let announcer = Announcer::default();
        let app = start(&lasting, &announcer).await;
        let mut ticks = app.subscribe(ticker("g")).await.unwrap();
        // The page is rolled back, then the event alone, then it goes well; those beside it are handled twice.
        announcer.faults.fail("bad:13", 2);
        let counts = [("a", 1), ("bad", 13), ("b", 2)].map(|(tally, amount)| count_in(&app, "g", tally, amount));
        futures_util::future::join_all(counts).await;
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(next(&mut ticks.updates).await.unwrap());
        }
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 13], "each once");
        app.settled(PATIENCE).await.unwrap();
        count_in(&app, "g", "c", 3).await;
        assert_eq!(next(&mut ticks.updates).await.unwrap(), 3, "nothing of what was rolled back");
        assert!(announcer.handled.load(Ordering::SeqCst) > 4, "something was rolled back");
        app.shutdown().await.unwrap();
    }
}

/// Emits, and waits before it lets its transaction commit.
#[derive(Clone)]
struct Hesitant(Arc<tokio::sync::watch::Sender<bool>>, Arc<AtomicU32>);

#[event_handlers(processor = "hesitant")]
impl Hesitant {
    #[handle]
    async fn counted(&self, event: &Counted, updates: QueryUpdates) -> Result<(), HandlerError> {
        let amount = event.amount;
        updates.emit::<Hesitation>(|_| true, move || amount);
        self.1.fetch_add(1, Ordering::SeqCst);
        let _ = self.0.subscribe().wait_for(|open| *open).await;
        Ok(())
    }
}

#[derive(Query, Clone, Debug)]
#[query(name = "ticker.hesitant", reply = (), update = i64)]
struct Hesitation;

#[query_handlers]
impl Hesitant {
    #[handle]
    async fn first(&self, _query: Hesitation) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_subscribes_between_the_emission_and_the_commit_misses_nothing() {
    let hesitant = Hesitant(Arc::new(tokio::sync::watch::Sender::new(false)), Arc::default());
    let app = tallies().include::<Hesitant>().resource(hesitant.clone()).store("memory:").start().await.unwrap();
    let mut before = app.subscribe(Hesitation).await.unwrap();
    count(&app, "t", 4).await;
    eventually("it has emitted", async || (hesitant.1.load(Ordering::SeqCst) == 1).then_some(())).await;
    let mut between = app.subscribe(Hesitation).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(30), before.updates.next()).await;
    assert!(early.is_err(), "nothing leaves before the commit");
    hesitant.0.send_replace(true);
    for updates in [&mut before.updates, &mut between.updates] {
        let update = tokio::time::timeout(PATIENCE, updates.next()).await.unwrap();
        assert_eq!(update.unwrap().unwrap(), 4);
    }
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_handler_outside_aggregates_tells_at_once_how_many_match() {
    for lasting in Lasting::each() {
        let app = start(&lasting, &Announcer::default()).await;
        let tell = || app.send(Tell { group: "g".into(), amount: 7 });
        assert_eq!(tell().await.unwrap().reply, 0);
        let mut one = app.subscribe(ticker("g")).await.unwrap();
        let two = app.subscribe(ticker("g")).await.unwrap();
        assert_eq!(tell().await.unwrap().reply, 2);
        assert_eq!(next(&mut one.updates).await.unwrap(), 7);
        drop(two);
        assert_eq!(tell().await.unwrap().reply, 1, "dropping a subscription ends it");
        drop(one);
        assert_eq!(tell().await.unwrap().reply, 0);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn an_update_that_nobody_wants_is_not_made() {
    let app = start(&Lasting::file(), &Announcer::default()).await;
    let made = Arc::new(AtomicU32::new(0));
    let emit = |group: &'static str| {
        let made = Arc::clone(&made);
        app.updates()
            .emit::<Ticker>(move |query| query.group == group, move || i64::from(made.fetch_add(1, Ordering::SeqCst)))
    };
    let _subscribed = [app.subscribe(ticker("g")).await.unwrap(), app.subscribe(ticker("g")).await.unwrap()];
    assert_eq!((emit("other"), made.load(Ordering::SeqCst)), (0, 0));
    assert_eq!((emit("g"), made.load(Ordering::SeqCst)), (2, 1), "made once for all");
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_slow_subscriber_overflows_alone() {
    for lasting in Lasting::each() {
        let app = start(&lasting, &Announcer::default()).await;
        let mut slow = app.subscribe(ticker("g")).buffer(3).await.unwrap();
        let mut patient = app.subscribe(ticker("g")).await.unwrap();
        let emit = |amount| app.updates().emit::<Ticker>(all, move || amount);
        for amount in 1..=3 {
            assert_eq!(emit(amount), 2);
        }
        assert_eq!(emit(4), 2, "the one too many");
        assert_eq!(emit(5), 1, "who has overflowed is no subscriber any more");
        for amount in 1..=3 {
            assert_eq!(next(&mut slow.updates).await.unwrap(), amount, "what fitted is there");
        }
        let error = next(&mut slow.updates).await.unwrap_err();
        assert!(matches!(error, SubscriptionError::Overflow { query: "ticker.of", buffer: 3 }), "{error}");
        assert!(slow.updates.next().await.is_none());
        for amount in 1..=5 {
            assert_eq!(next(&mut patient.updates).await.unwrap(), amount);
        }
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn the_buffer_is_256_unless_configured() {
    let app = start(&Lasting::file(), &Announcer::default()).await;
    let _subscribed = app.subscribe(ticker("g")).await.unwrap();
    let matched: Vec<usize> = (0..258).map(|amount| app.updates().emit::<Ticker>(all, move || amount)).collect();
    assert_eq!(matched.iter().filter(|matched| **matched == 1).count(), 257);
    app.shutdown().await.unwrap();
}

#[derive(Debug, thiserror::Error)]
#[error("the market is closed")]
struct Closed;

#[tokio::test]
async fn a_subscription_can_be_completed_with_and_without_an_error() {
    for lasting in Lasting::each() {
        let app = start(&lasting, &Announcer::default()).await;
        let mut well = app.subscribe(ticker("well")).await.unwrap();
        let mut ill = app.subscribe(ticker("ill")).await.unwrap();
        let mut other = app.subscribe(ticker("other")).await.unwrap();
        let updates = app.updates();
        updates.emit::<Ticker>(all, || 1);
        assert_eq!(updates.complete::<Ticker>(|query| query.group == "well"), 1);
        assert_eq!(updates.complete_with::<Ticker>(|query| query.group == "ill", Closed), 1);
        assert_eq!(updates.emit::<Ticker>(all, || 2), 1);
        assert_eq!(next(&mut well.updates).await.unwrap(), 1, "what waits comes first");
        assert!(well.updates.next().await.is_none());
        assert_eq!(next(&mut ill.updates).await.unwrap(), 1);
        let error = next(&mut ill.updates).await.unwrap_err();
        let SubscriptionError::Completed { query: "ticker.of", source } = &error else { panic!("{error}") };
        assert!(source.is::<Closed>());
        assert!(ill.updates.next().await.is_none());
        assert_eq!(next(&mut other.updates).await.unwrap(), 1);
        assert_eq!(next(&mut other.updates).await.unwrap(), 2);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_subscribe_and_leave_while_updates_are_emitted() {
    let app = start(&Lasting::file(), &Announcer::default()).await;
    let subscribers = (0..16).map(|number| {
        let app = app.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                let mut subscription = app.subscribe(ticker(&format!("g{}", number % 4))).await.unwrap();
                let first = next(&mut subscription.updates).await.unwrap();
                assert_eq!(next(&mut subscription.updates).await.unwrap(), first + 1, "without a gap");
            }
        })
    });
    let subscribers: Vec<_> = subscribers.collect();
    let mut amount = 0;
    while subscribers.iter().any(|subscriber| !subscriber.is_finished()) {
        app.updates().emit::<Ticker>(all, move || amount);
        amount += 1;
        tokio::task::yield_now().await;
    }
    for subscriber in subscribers {
        subscriber.await.unwrap();
    }
    assert_eq!(app.updates().emit::<Ticker>(all, || 0), 0, "nobody is left behind");
    app.shutdown().await.unwrap();
}

/// A saga is pure: it cannot emit.
struct Pure;

#[tokio::test]
async fn updates_are_emitted_by_handlers_that_may_have_effects_alone() {
    use annals::handler::{Context, Requirement};
    use annals::registry::{Component, Location};

    #[derive(Query, Clone)]
    #[query(name = "ticker.pure", reply = ())]
    struct AskPure;

    impl annals::query::AnsweredBy<Pure> for AskPure {
        fn answer<'a>(
            self,
            _: Option<&'a Pure>,
            _: &'a Context<'a>,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), QueryError>> + Send + 'a>> {
            Box::pin(async { Ok(()) })
        }

        fn requirements() -> Vec<Requirement> {
            vec![Requirement::reference::<QueryUpdates>()]
        }
    }

    let builder =
        app().declare(|registrar| registrar.query_handler::<Pure, AskPure>(Component::None, Location::here()));
    let error = builder.store("memory:").start().await.unwrap_err().to_string();
    assert!(error.contains("write `updates: QueryUpdates`, by value"), "{error}");
}
