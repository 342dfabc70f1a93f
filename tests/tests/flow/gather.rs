//! Scatter-gather: what several handlers say, and what becomes of those that fail or are late.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use annals::QueryError;
use annals::prelude::*;
use tokio::sync::Barrier;

use crate::given::{Lasting, PATIENCE, app, eventually};
use crate::tallies::*;

#[derive(Query, Clone, Debug)]
#[query(name = "offer.find", reply = String, gather)]
struct FindOffers {
    what: String,
}

/// Handlers that meet, so that all of them must be under way at the same time.
#[derive(Clone)]
struct Meeting(Arc<Barrier>);

/// How often a handler was dropped before it had an answer.
#[derive(Clone, Default)]
struct Cancelled(Arc<AtomicU32>);

struct Guard(Cancelled);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Alpha;
struct Beta;
struct Gamma;

#[query_handlers]
impl Alpha {
    #[handle]
    async fn find(query: FindOffers, meeting: &Meeting) -> Result<String, QueryError> {
        meeting.0.wait().await;
        Ok(format!("alpha has {}", query.what))
    }
}

#[query_handlers]
impl Beta {
    #[handle]
    async fn find(query: &FindOffers, meeting: &Meeting) -> Result<String, QueryError> {
        meeting.0.wait().await;
        match query.what.as_str() {
            "fault" => Err(QueryError::failed("told to fail")),
            "panic" => panic!("told to panic"),
            what => Ok(format!("beta has {what}")),
        }
    }
}

#[query_handlers]
impl Gamma {
    #[handle]
    async fn find(query: FindOffers, meeting: &Meeting, cancelled: &Cancelled) -> Result<String, QueryError> {
        meeting.0.wait().await;
        if query.what == "sloth" {
            let _guard = Guard(cancelled.clone());
            std::future::pending::<()>().await;
        }
        Ok(format!("gamma has {}", query.what))
    }
}

async fn traders(cancelled: &Cancelled) -> annals::Annals {
    let builder = app().include::<FindOffers>().include::<Alpha>().include::<Beta>().include::<Gamma>();
    let builder = builder.resource(Meeting(Arc::new(Barrier::new(3)))).resource(cancelled.clone());
    builder.store("memory:").start().await.unwrap()
}

fn offers(what: &str) -> FindOffers {
    FindOffers { what: what.into() }
}

#[tokio::test]
async fn every_handler_answers_and_all_are_at_it_at_the_same_time() {
    let app = traders(&Cancelled::default()).await;
    let gathered = app.query_all(offers("tea")).await.unwrap();
    assert_eq!(gathered.answers, ["alpha has tea", "beta has tea", "gamma has tea"]);
    assert!(gathered.failures.is_empty());
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_handler_that_fails_or_panics_takes_nothing_from_the_others() {
    let app = traders(&Cancelled::default()).await;
    for what in ["fault", "panic"] {
        let gathered = app.query_all(offers(what)).await.unwrap();
        assert_eq!(gathered.answers, [format!("alpha has {what}"), format!("gamma has {what}")]);
        let [failure] = &gathered.failures[..] else { panic!("{:?}", gathered.failures) };
        assert!(failure.handler.ends_with("Beta"), "{}", failure.handler);
        let QueryError::Failed { source } = &failure.error else { panic!("{}", failure.error) };
        assert!(source.to_string().contains("told to"), "{source}");
    }
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_handler_that_is_late_is_named_and_cancelled() {
    let cancelled = Cancelled::default();
    let app = traders(&cancelled).await;
    let begun = Instant::now();
    let gathered = app.query_all(offers("sloth")).within(Duration::from_millis(80)).await.unwrap();
    assert!(begun.elapsed() < PATIENCE);
    assert_eq!(gathered.answers, ["alpha has sloth", "beta has sloth"]);
    let [failure] = &gathered.failures[..] else { panic!("{:?}", gathered.failures) };
    assert!(failure.handler.ends_with("Gamma"), "{}", failure.handler);
    assert!(matches!(failure.error, QueryError::Timeout { query: "offer.find", .. }), "{}", failure.error);
    assert_eq!(cancelled.0.load(Ordering::SeqCst), 1);
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn dropping_the_call_cancels_what_is_under_way() {
    let cancelled = Cancelled::default();
    let app = traders(&cancelled).await;
    let asked = app.query_all(offers("sloth")).within(PATIENCE).into_future();
    let _ = tokio::time::timeout(Duration::from_millis(80), asked).await.unwrap_err();
    eventually("the handler is dropped", async || (cancelled.0.load(Ordering::SeqCst) == 1).then_some(())).await;
    app.shutdown().await.unwrap();
}

#[derive(Query, Clone, Debug)]
#[query(name = "offer.nobody", reply = String, gather)]
struct AskNobody;

#[tokio::test]
async fn a_gathered_query_without_handlers_is_an_error() {
    let app = app().store("memory:").start().await.unwrap();
    assert!(matches!(app.query_all(AskNobody).await, Err(QueryError::NoHandler { query: "offer.nobody" })));
    app.shutdown().await.unwrap();
}

#[derive(Query, Clone, Debug)]
#[query(name = "tally.everywhere", reply = (String, i64), gather)]
struct Everywhere {
    group: String,
}

struct FromFolded;
struct FromInline;

#[query_handlers]
impl FromFolded {
    #[handle]
    async fn sum(query: Everywhere, sums: Views<Sums>) -> Result<(String, i64), QueryError> {
        Ok(("folded".into(), sums.get(&query.group).await?.unwrap_or_default().total))
    }
}

#[query_handlers]
impl FromInline {
    #[handle]
    async fn sum(query: Everywhere, sums: Views<InlineSums>) -> Result<(String, i64), QueryError> {
        Ok(("inline".into(), sums.get(&query.group).await?.unwrap_or_default().total))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_handler_waits_for_its_own_views() {
    for lasting in Lasting::each() {
        let builder = tallies().include::<Sums>().include::<InlineSums>();
        let app = lasting.start(builder.include::<FromFolded>().include::<FromInline>()).await;
        for total in 1..=15 {
            let sent = count(&app, "t", 1).await;
            let gathered = app.query_all(Everywhere { group: "t".into() }).after(&sent).await.unwrap();
            assert_eq!(gathered.answers, [("folded".to_owned(), total), ("inline".to_owned(), total)]);
        }
        app.shutdown().await.unwrap();
    }
}
