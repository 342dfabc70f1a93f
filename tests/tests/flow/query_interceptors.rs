//! Interceptors of queries, and time limits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals::prelude::*;
use annals::query::{Gathered, Next, QueryInterceptor, QueryMessage, QueryResult, SubscriptionError};
use annals::{Annals, QueryError};
use futures_util::StreamExt;

use crate::given::{PATIENCE, app};
use crate::tallies::*;

#[derive(Query, Clone, Debug)]
#[query(name = "echo.one", reply = String)]
struct Echo(String);

#[derive(Query, Clone, Debug)]
#[query(name = "echo.all", reply = String, gather)]
struct EchoAll(String);

#[derive(Query, Clone, Debug)]
#[query(name = "echo.rows", stream = char)]
struct EchoRows(String);

#[derive(Query, Clone, Debug)]
#[query(name = "echo.never", reply = String)]
struct EchoNever;

struct Hall;

#[query_handlers]
impl Hall {
    #[handle]
    async fn one(query: Echo, metadata: &Metadata) -> String {
        format!("{}{}", query.0, metadata.get("suffix").unwrap_or_default())
    }

    #[handle]
    async fn all(query: EchoAll) -> String {
        query.0
    }

    #[handle]
    async fn rows(query: EchoRows, rows: &mut Rows<char>) {
        for letter in query.0.chars() {
            rows.send(letter).await;
        }
    }

    #[handle]
    async fn never(_query: EchoNever) -> String {
        std::future::pending().await
    }
}

/// Writes down what passes, under a name.
#[derive(Clone)]
struct Diary(&'static str, Arc<Mutex<Vec<String>>>);

#[async_trait::async_trait]
impl QueryInterceptor for Diary {
    async fn intercept(&self, query: QueryMessage, next: Next<'_>) -> QueryResult {
        let line = format!("{} {} {:?}", self.0, query.name, query.manner);
        self.1.lock().unwrap().push(format!("{line} in"));
        let result = next.run(query).await;
        let end = if result.is_ok() { "out" } else { "failed" };
        self.1.lock().unwrap().push(format!("{line} {end}"));
        result
    }
}

/// Lets in those who say who they are, and gives everybody a suffix.
struct Porter;

#[async_trait::async_trait]
impl QueryInterceptor for Porter {
    async fn intercept(&self, mut query: QueryMessage, next: Next<'_>) -> QueryResult {
        if query.metadata.get("user").is_none() {
            return Err(QueryError::Refused { reason: "sign in first".into() });
        }
        query.metadata.insert("suffix", "!");
        if let Some(echo) = query.query_mut::<Echo>() {
            echo.0.push('?');
        }
        let mut answer = next.run(query).await?;
        if let Some(gathered) = answer.get_mut::<Gathered<String>>() {
            gathered.answers.push("the porter".into());
        }
        Ok(answer)
    }
}

async fn hall(diary: &Arc<Mutex<Vec<String>>>) -> Annals {
    let builder = app().include::<Hall>().query_interceptor(Diary("outer", Arc::clone(diary)));
    let builder = builder.query_interceptor(Porter).query_interceptor(Diary("inner", Arc::clone(diary)));
    builder.store("memory:").start().await.unwrap()
}

#[tokio::test]
async fn interceptors_run_in_order_around_every_manner_of_asking() {
    let diary = Arc::new(Mutex::new(Vec::new()));
    let app = hall(&diary).await;
    assert_eq!(app.query(Echo("hello".into())).metadata("user", "ada").await.unwrap(), "hello?!");
    let expected = ["outer echo.one Single in", "inner echo.one Single in"];
    let ends = ["inner echo.one Single out", "outer echo.one Single out"];
    assert_eq!(std::mem::take(&mut *diary.lock().unwrap()), [expected, ends].concat());
    let gathered = app.query_all(EchoAll("hello".into())).metadata("user", "ada").await.unwrap();
    assert_eq!(gathered.answers, ["hello", "the porter"]);
    let rows = app.query_stream(EchoRows("abc".into())).metadata("user", "ada");
    let rows: Vec<char> = rows.map(Result::unwrap).collect().await;
    assert_eq!(rows, ['a', 'b', 'c']);
    let subscription = app.subscribe(Echo("hello".into())).metadata("user", "ada").await.unwrap();
    assert_eq!(subscription.first, "hello?!");
    let diary = diary.lock().unwrap().clone();
    for manner in ["Gather", "Stream", "Subscription"] {
        let around = diary.iter().filter(|line| line.contains(manner)).count();
        assert_eq!(around, 4, "{manner}: once around all of it: {diary:?}");
    }
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_interceptor_may_refuse() {
    let diary = Arc::new(Mutex::new(Vec::new()));
    let app = hall(&diary).await;
    let refused = |error: &QueryError| matches!(error, QueryError::Refused { reason } if reason == "sign in first");
    assert!(refused(&app.query(Echo("x".into())).await.unwrap_err()));
    assert!(refused(&app.query_all(EchoAll("x".into())).await.unwrap_err()));
    assert!(refused(&app.query_stream(EchoRows("x".into())).next().await.unwrap().unwrap_err()));
    let SubscriptionError::Query(error) = app.subscribe(Echo("x".into())).await.unwrap_err() else { panic!() };
    assert!(refused(&error));
    assert!(diary.lock().unwrap().iter().all(|line| line.starts_with("outer")));
    assert_eq!(app.updates().emit::<Echo>(|_| true, String::new), 0, "who was refused is no subscriber");
    app.shutdown().await.unwrap();
}

/// Answers with something else.
struct Liar;

#[async_trait::async_trait]
impl QueryInterceptor for Liar {
    async fn intercept(&self, _: QueryMessage, _: Next<'_>) -> QueryResult {
        Ok(annals::query::QueryAnswer::new(42_u8))
    }
}

#[tokio::test]
async fn an_answer_of_another_type_is_an_error() {
    let app = app().include::<Hall>().query_interceptor(Liar).store("memory:").start().await.unwrap();
    let error = app.query(Echo("x".into())).await.unwrap_err();
    assert!(matches!(&error, QueryError::Refused { reason } if reason.contains("echo.one")), "{error}");
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_answer_may_be_given_a_time() {
    let app = app().include::<Hall>().store("memory:").start().await.unwrap();
    let late = app.query(EchoNever).within(Duration::from_millis(20)).await.unwrap_err();
    assert!(matches!(late, QueryError::Timeout { query: "echo.never", .. }), "{late}");
    assert_eq!(app.query(Echo("x".into())).within(PATIENCE).await.unwrap(), "x");
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn every_answer_that_a_subscriber_gets_passes_the_interceptors() {
    let diary = Arc::new(Mutex::new(Vec::new()));
    let builder = tallies().include::<Sums>().query_interceptor(Diary("one", Arc::clone(&diary)));
    let app = builder.store("memory:").start().await.unwrap();
    let mut subscription = app.subscribe(SumOf { group: "t".into() }).await.unwrap();
    count(&app, "t", 3).await;
    let update = tokio::time::timeout(PATIENCE, subscription.updates.next()).await.unwrap();
    assert_eq!(update.unwrap().unwrap(), 3);
    let lines = diary.lock().unwrap().clone();
    assert_eq!(lines, ["in", "out", "in", "out"].map(|end| format!("one tally.sum Subscription {end}")));
    app.shutdown().await.unwrap();
}
