//! Streaming queries: begun when they are polled, as fast as they are taken, ended when they are dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use annals::QueryError;
use annals::prelude::*;
use annals::query::StreamCall;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use crate::given::{Lasting, app};
use crate::tallies::*;

/// Rows that handlers have made, and handlers that have gone.
#[derive(Clone, Default)]
struct Meter {
    made: Arc<AtomicU32>,
    dropped: Arc<AtomicU32>,
}

impl Meter {
    fn made(&self) -> u32 {
        self.made.load(Ordering::SeqCst)
    }

    fn dropped(&self) -> u32 {
        self.dropped.load(Ordering::SeqCst)
    }
}

struct Guard(Meter);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Query, Debug)]
#[query(name = "number.written", stream = u32)]
struct Written {
    up_to: u32,
    then: &'static str,
}

#[derive(Query, Debug)]
#[query(name = "number.streamed", stream = u32)]
struct Streamed {
    up_to: u32,
}

#[derive(Query, Debug)]
#[query(name = "number.fallible", stream = String)]
struct Fallible;

struct Numbers {
    step: u32,
}

#[query_handlers]
impl Numbers {
    #[handle]
    async fn written(&self, query: &Written, meter: &Meter, rows: &mut Rows<u32>) -> Result<(), QueryError> {
        let _guard = Guard(meter.clone());
        for number in 1..=query.up_to {
            meter.made.fetch_add(1, Ordering::SeqCst);
            rows.send(number * self.step).await;
        }
        match query.then {
            "fail" => Err(QueryError::failed("told to fail")),
            "panic" => panic!("told to panic"),
            _ => Ok(()),
        }
    }

    /// Borrows from the component and the resources.
    #[handle]
    fn streamed(&self, query: Streamed, meter: &Meter) -> impl Stream<Item = u32> {
        stream::iter(1..=query.up_to).map(move |number| {
            meter.made.fetch_add(1, Ordering::SeqCst);
            number * self.step
        })
    }

    #[handle]
    async fn fallible(_query: Fallible) -> Result<impl Stream<Item = Result<String, QueryError>>, HandlerError> {
        let texts = stream::iter(["1", "2", "x", "4"]);
        Ok(texts.map(|text| text.parse::<u32>().map(|number| number.to_string()).map_err(QueryError::failed)))
    }
}

async fn numbers(meter: &Meter) -> annals::Annals {
    let app = app().include::<Numbers>().resource(Numbers { step: 10 }).resource(meter.clone());
    app.store("memory:").start().await.unwrap()
}

#[tokio::test]
async fn nothing_runs_before_the_stream_is_polled_nor_ahead_of_its_caller() {
    let meter = Meter::default();
    let app = numbers(&meter).await;
    let mut rows = app.query_stream(Written { up_to: 1_000, then: "end" });
    tokio::task::yield_now().await;
    assert_eq!(meter.made(), 0, "it begins when it is polled");
    for number in 1..=5 {
        assert_eq!(rows.next().await.unwrap().unwrap(), number * 10);
        assert!(meter.made() <= number + 2, "{} rows were made for {number}", meter.made());
    }
    assert_eq!(meter.dropped(), 0);
    drop(rows);
    assert_eq!(meter.dropped(), 1, "dropping the stream ends the handler");
    let all: Vec<u32> = app.query_stream(Written { up_to: 100, then: "end" }).try_collect().await.unwrap();
    assert_eq!(all, (1..=100).map(|number| number * 10).collect::<Vec<_>>());
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_handler_may_return_a_stream_that_borrows_from_its_parameters() {
    let meter = Meter::default();
    let app = numbers(&meter).await;
    let mut rows = app.query_stream(Streamed { up_to: 1_000 });
    assert_eq!(rows.next().await.unwrap().unwrap(), 10);
    assert!(meter.made() <= 3, "{}", meter.made());
    drop(rows);
    let all: Vec<u32> = app.query_stream(Streamed { up_to: 3 }).try_collect().await.unwrap();
    assert_eq!(all, [10, 20, 30]);
    app.shutdown().await.unwrap();
}

async fn last_error<Q: annals::StreamQuery>(mut rows: StreamCall<Q>) -> (usize, QueryError) {
    let mut count = 0;
    loop {
        match rows.next().await.expect("an error comes last") {
            Ok(_) => count += 1,
            Err(error) => {
                assert!(rows.next().await.is_none(), "nothing follows an error");
                return (count, error);
            }
        }
    }
}

#[tokio::test]
async fn an_error_or_a_panic_is_the_last_item() {
    let app = numbers(&Meter::default()).await;
    for then in ["fail", "panic"] {
        let (rows, error) = last_error(app.query_stream(Written { up_to: 3, then })).await;
        assert_eq!(rows, 3, "what was written before arrives");
        let QueryError::Failed { source } = &error else { panic!("{error}") };
        assert!(source.to_string().contains(&format!("told to {then}")), "{source}");
    }
    let (rows, error) = last_error(app.query_stream(Fallible)).await;
    assert_eq!(rows, 2);
    assert!(matches!(error, QueryError::Failed { .. }), "{error}");
    app.shutdown().await.unwrap();
}

#[derive(Query, Debug)]
#[query(name = "number.nobody", stream = u32)]
struct Nobody;

#[tokio::test]
async fn a_streaming_query_that_nobody_answers_is_an_error_of_its_stream() {
    let app = app().store("memory:").start().await.unwrap();
    let (rows, error) = last_error(app.query_stream(Nobody)).await;
    assert_eq!(rows, 0);
    assert!(matches!(error, QueryError::NoHandler { query: "number.nobody" }));
    app.shutdown().await.unwrap();
}

#[derive(Query, Debug)]
#[query(name = "tally.all", stream = (String, i64))]
struct AllSums;

struct Export;

#[query_handlers]
impl Export {
    #[handle]
    async fn all(_query: AllSums, sums: Views<Sums>, rows: &mut Rows<(String, i64)>) -> Result<(), QueryError> {
        let mut after: Option<String> = None;
        loop {
            let page = sums.list(after.as_deref(), 2).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (group, sum) in page {
                rows.send((group, sum.total)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_includes_what_was_sent() {
    for lasting in Lasting::each() {
        let app = lasting.start(tallies().include::<Sums>().include::<Export>()).await;
        let mut expected = Vec::new();
        for number in 1..=7 {
            let sent = count(&app, &format!("t{number}"), number).await;
            expected.push((format!("t{number}"), number));
            let rows: Vec<_> = app.query_stream(AllSums).after(&sent).try_collect().await.unwrap();
            assert_eq!(rows, expected);
        }
        let ahead = app.query_stream(AllSums).after(annals::Position::new(1_000));
        let (rows, error) = last_error(ahead.timeout(std::time::Duration::from_millis(20))).await;
        assert_eq!(rows, 0);
        assert!(matches!(error, QueryError::Stale { .. }), "{error}");
        app.shutdown().await.unwrap();
    }
}
