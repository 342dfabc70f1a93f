//! Queries: answers that include what the caller has written, or say that they do not.

use std::time::Duration;

use annals::QueryError;
use annals::message::Position;
use annals::prelude::*;
use futures_util::future::join_all;

use crate::given::{Lasting, PATIENCE};
use crate::tallies::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_reads_their_own_write_while_others_write_too() {
    for lasting in Lasting::each() {
        let app = lasting.start(tallies().include::<Sums>()).await;
        let callers = (0..8).map(|caller| {
            let app = app.clone();
            tokio::spawn(async move {
                let group = format!("g{caller}");
                for total in 1..=20 {
                    let sent = count_in(&app, &group, &group, 1).await;
                    let answer = app.query(SumOf { group: group.clone() }).after(&sent).await.unwrap();
                    assert_eq!(answer, total);
                }
            })
        });
        for ended in join_all(callers).await {
            ended.unwrap();
        }
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_would_be_old_is_an_error_or_is_asked_for() {
    for lasting in Lasting::each() {
        let recorder = Recorder::default();
        let app = lasting.start(recorded_by(&recorder)).await;
        let first = count(&app, "t", 1).await;
        assert_eq!(app.query(Seen).after(&first).await.unwrap(), ["t:1"]);
        recorder.close_gate();
        let second = count(&app, "t", 2).await;
        let stale = app.query(Seen).after(&second).timeout(Duration::from_millis(50)).await.unwrap_err();
        let QueryError::Stale { processor, reached, wanted, .. } = &stale else { panic!("{stale}") };
        assert_eq!((processor.as_str(), *reached, *wanted), ("recorder", first.position, second.position));
        let old = app.query(Seen).after(&second).timeout(Duration::from_millis(50)).or_stale().await.unwrap();
        assert_eq!(old, ["t:1"]);
        assert_eq!(app.query(Seen).await.unwrap(), ["t:1"], "who does not ask for it does not wait");
        recorder.open_gate();
        assert_eq!(app.query(Seen).after(&second).timeout(PATIENCE).await.unwrap(), ["t:1", "t:2"]);
        app.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_position_can_be_waited_for_too() {
    let app = tallies().include::<Sums>().store("memory:").start().await.unwrap();
    let sent = count(&app, "t", 1).await;
    assert_eq!(app.query(SumOf { group: "t".into() }).after(sent.position).await.unwrap(), 1);
    let ahead = app.query(SumOf { group: "t".into() }).after(Position::new(9)).timeout(Duration::from_millis(20)).await;
    assert!(matches!(ahead, Err(QueryError::Stale { .. })));
    app.shutdown().await.unwrap();
}

#[derive(Query, Debug)]
#[query(name = "tally.unanswered", reply = i64)]
struct Unanswered;

#[tokio::test]
async fn a_query_that_nobody_answers_names_itself() {
    let app = tallies().store("memory:").start().await.unwrap();
    let error = app.query(Unanswered).await.unwrap_err();
    assert!(matches!(error, QueryError::NoHandler { query: "tally.unanswered" }));
    app.shutdown().await.unwrap();
}

#[derive(Query, Debug)]
#[query(name = "desk.ask", reply = String)]
struct Ask {
    what: String,
}

#[derive(Query, Debug)]
#[query(name = "desk.both", reply = (i64, u32))]
struct Both {
    group: String,
}

#[derive(Default)]
struct Desk;

#[query_handlers]
impl Desk {
    #[handle]
    async fn ask(&self, query: Ask, metadata: &Metadata) -> Result<String, QueryError> {
        match query.what.as_str() {
            "panic" => panic!("told to panic"),
            "fail" => Err(QueryError::failed("told to fail")),
            key => Ok(metadata.get(key).unwrap_or("nothing").to_owned()),
        }
    }

    /// Answers from two views of different kinds.
    #[handle]
    async fn both(query: Both, folded: Views<Sums>, inline: Views<InlineSums>) -> Result<(i64, u32), QueryError> {
        let folded = folded.get(&query.group).await?.unwrap_or_default();
        let inline = inline.get(&query.group).await?.unwrap_or_default();
        Ok((folded.total, inline.times))
    }
}

#[tokio::test]
async fn a_handler_that_fails_or_panics_is_an_error_of_the_query() {
    let app = tallies().include::<Desk>().include::<Sums>().include::<InlineSums>();
    let app = app.store("memory:").start().await.unwrap();
    for what in ["panic", "fail"] {
        let error = app.query(Ask { what: what.into() }).await.unwrap_err();
        let QueryError::Failed { source } = &error else { panic!("{error}") };
        assert!(source.to_string().contains(&format!("told to {what}")), "{source}");
    }
    assert_eq!(app.query(Ask { what: "user".into() }).await.unwrap(), "nothing", "the next one is answered");
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_query_carries_metadata() {
    let app = tallies().include::<Desk>().include::<Sums>().include::<InlineSums>();
    let app = app.store("memory:").start().await.unwrap();
    let answer = app.query(Ask { what: "user".into() }).metadata("user", "ada").await.unwrap();
    assert_eq!(answer, "ada");
    app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_waits_for_the_views_that_its_handler_asks_for() {
    for lasting in Lasting::each() {
        let app = lasting.start(tallies().include::<Desk>().include::<Sums>().include::<InlineSums>()).await;
        for times in 1..=30 {
            let sent = count(&app, "t", 2).await;
            let answer = app.query(Both { group: "t".into() }).after(&sent).await.unwrap();
            assert_eq!(answer, (i64::from(times) * 2, times));
        }
        app.shutdown().await.unwrap();
    }
}
