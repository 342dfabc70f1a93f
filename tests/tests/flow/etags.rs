//! Tags of answers: whoever has an answer is not sent it again, and never goes without one that differs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use annals::app::Builder;
use annals::prelude::*;
use annals::query::{Answer, Answered, ETag, QueryAnswer, QueryInterceptor, QueryMessage, QueryResult};
use annals::view::processor_name;
use annals::{Annals, Query};

use crate::given::{Lasting, PATIENCE};
use crate::tallies::*;

/// How often handlers have run.
static RUNS: [AtomicU32; 3] = [const { AtomicU32::new(0) }; 3];

#[derive(Query, Clone, Hash, Debug)]
#[query(name = "tagged.sum", reply = i64)]
struct TaggedSum {
    /// Which counter of `RUNS`: tests run at the same time.
    run: usize,
    group: String,
}

#[derive(Query, Clone, Hash, Debug)]
#[query(name = "tagged.inline", reply = i64)]
struct TaggedInline {
    group: String,
}

#[derive(Query, Clone, Hash, Debug)]
#[query(name = "tagged.page", reply = usize)]
struct TaggedPage {
    limit: usize,
}

struct Tagged;

#[query_handlers]
impl Tagged {
    #[handle]
    async fn sum(query: TaggedSum, sums: Views<Sums>) -> Result<i64, QueryError> {
        RUNS[query.run].fetch_add(1, Ordering::SeqCst);
        Ok(sums.get(&query.group).await?.unwrap_or_default().total)
    }

    #[handle]
    async fn inline(query: TaggedInline, sums: Views<InlineSums>) -> Result<i64, QueryError> {
        Ok(sums.get(&query.group).await?.unwrap_or_default().total)
    }

    #[handle]
    async fn page(query: TaggedPage, sums: Views<Sums>) -> Result<usize, QueryError> {
        Ok(sums.list(None, query.limit).await?.len())
    }
}

fn sum(run: usize, group: &str) -> TaggedSum {
    TaggedSum { run, group: group.into() }
}

fn tagged() -> Builder {
    tallies().include::<Sums>().include::<InlineSums>().include::<LiveSums>().include::<Tagged>()
}

async fn fresh<Q>(app: &Annals, query: Q) -> (Q::Reply, ETag)
where
    Q: Query<Kind = annals::message::Single> + std::hash::Hash,
    Q::Reply: std::fmt::Debug,
{
    match app.query(query).unless_unchanged(None).await.unwrap() {
        Answered::Changed(Answer { reply, etag: Some(etag), .. }) => (reply, etag),
        other => panic!("{other:?}"),
    }
}

async fn again<Q>(app: &Annals, query: Q, etag: &ETag) -> Answered<Q::Reply>
where
    Q: Query<Kind = annals::message::Single> + std::hash::Hash,
{
    app.query(query).unless_unchanged(etag.clone()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unchanged_view_is_neither_read_nor_sent_again() {
    for lasting in Lasting::each() {
        let app = lasting.start(tagged()).await;
        count(&app, "t", 5).await;
        app.settled(PATIENCE).await.unwrap();
        let (reply, etag) = fresh(&app, sum(0, "t")).await;
        assert_eq!(reply, 5);
        let runs = RUNS[0].load(Ordering::SeqCst);
        for _ in 0..3 {
            assert_eq!(again(&app, sum(0, "t"), &etag).await, Answered::Unchanged(etag.clone()));
        }
        assert_eq!(RUNS[0].load(Ordering::SeqCst), runs, "the handler has not run");
        let header = ETag::new(&etag.header_value());
        assert!(matches!(again(&app, sum(0, "t"), &header).await, Answered::Unchanged(_)));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_what_was_read_is_sent_and_a_change_of_others_is_not() {
    for lasting in Lasting::each() {
        let app = lasting.start(tagged()).await;
        let mut newest = count(&app, "t", 1).await;
        app.settled(PATIENCE).await.unwrap();
        let (_, mut etag) = fresh(&app, sum(1, "t")).await;
        let (_, mut inline) = fresh(&app, TaggedInline { group: "t".into() }).await;
        for total in 2..=10 {
            newest = count(&app, "other", 1).await;
            let answered = app.query(sum(1, "t")).after(&newest).unless_unchanged(etag.clone()).await.unwrap();
            let Answered::Unchanged(moved) = answered else { panic!("{answered:?}") };
            assert_ne!(moved, etag, "it stands for the view as it is now");
            assert!(matches!(again(&app, TaggedInline { group: "t".into() }, &inline).await, Answered::Unchanged(_)));
            newest = count(&app, "t", 1).await;
            let answered = app.query(sum(1, "t")).after(&newest).unless_unchanged(moved).await.unwrap();
            let Answered::Changed(Answer { reply, etag: Some(next), .. }) = answered else { panic!("{answered:?}") };
            assert_eq!(reply, total);
            etag = next;
            let answered = again(&app, TaggedInline { group: "t".into() }, &inline).await;
            let Answered::Changed(Answer { reply, etag: Some(next), .. }) = answered else { panic!("{answered:?}") };
            assert_eq!(reply, total);
            inline = next;
        }
        let _ = newest;
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_is_that_of_one_query_with_its_fields() {
    for lasting in Lasting::each() {
        let app = lasting.start(tagged()).await;
        for group in ["a", "b", "c"] {
            count(&app, group, 1).await;
        }
        app.settled(PATIENCE).await.unwrap();
        let (_, etag) = fresh(&app, sum(2, "a")).await;
        assert!(matches!(again(&app, sum(2, "b"), &etag).await, Answered::Changed(_)), "another group");
        let (_, etag) = fresh(&app, TaggedPage { limit: 10 }).await;
        assert!(matches!(
            again(&app, TaggedPage { limit: 2 }, &etag).await,
            Answered::Changed(Answer { reply: 2, .. })
        ));
        for foreign in ["", "nonsense", "\"\"", "-"] {
            let answered = again(&app, TaggedPage { limit: 2 }, &ETag::new(foreign)).await;
            assert!(matches!(answered, Answered::Changed(_)), "{foreign}");
        }
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_is_built_anew_is_looked_at_again() {
    for lasting in Lasting::each() {
        let app = lasting.start(tagged()).await;
        count(&app, "t", 3).await;
        app.settled(PATIENCE).await.unwrap();
        let (_, etag) = fresh(&app, sum(2, "t")).await;
        app.processors().replay(&processor_name::<Sums>()).await.unwrap();
        // While it is built the answer may be another one, and then it must be sent.
        let direct = app.query(sum(2, "t")).await.unwrap();
        if direct != 3 {
            let _ = again(&app, sum(2, "t"), &etag).await;
        }
        app.settled(PATIENCE).await.unwrap();
        let Answered::Unchanged(moved) = again(&app, sum(2, "t"), &etag).await else { panic!("the same again") };
        assert_ne!(moved, etag, "it was found out by reading");
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_with_a_tag_never_goes_without_what_others_see() {
    for lasting in Lasting::each() {
        let app = lasting.start(tagged()).await;
        let writers = (0..4).map(|_| {
            let app = app.clone();
            tokio::spawn(async move {
                for _ in 0..25 {
                    count(&app, "t", 1).await;
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        let (mut known, mut etag) = fresh(&app, sum(2, "t")).await;
        while !writers.iter().all(tokio::task::JoinHandle::is_finished) || known < 100 {
            let before = app.query(sum(2, "t")).await.unwrap();
            match again(&app, sum(2, "t"), &etag).await {
                Answered::Unchanged(next) => etag = next,
                Answered::Changed(answer) => (known, etag) = (answer.reply, answer.etag.unwrap()),
            }
            assert!(known >= before, "{known} is older than {before}");
        }
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_outlives_a_restart_of_the_same_build_alone() {
    let lasting = Lasting::file();
    let build = |name: Option<&str>| {
        let name = name.map(str::to_owned);
        tagged().queries(move |config| config.build = name)
    };
    let app = lasting.start(build(Some("1.0"))).await;
    count(&app, "t", 3).await;
    app.settled(PATIENCE).await.unwrap();
    let (_, etag) = fresh(&app, sum(2, "t")).await;
    app.shutdown().await.unwrap();
    for (name, holds) in [(Some("1.0"), true), (Some("1.1"), false), (None, false)] {
        let app = lasting.start(build(name)).await;
        app.settled(PATIENCE).await.unwrap();
        let unchanged = matches!(again(&app, sum(2, "t"), &etag).await, Answered::Unchanged(_));
        assert_eq!(unchanged, holds, "{name:?}");
        app.shutdown().await.unwrap();
    }
}

macro_rules! untagged {
    ($($query:ident $name:literal)*) => {$(
        #[derive(Query, Clone, Hash, Debug)]
        #[query(name = $name, reply = i64)]
        struct $query;
    )*};
}
untagged! { WithTime "untagged.time" WithMetadata "untagged.metadata" WithResource "untagged.resource" WithState "untagged.state" FromLive "untagged.live" FromNothing "untagged.nothing" Hidden "untagged.hidden" }

struct Untagged {
    number: i64,
}

/// Views behind a parameter that does not say what it needs.
struct Wrapped(Views<Sums>);

impl annals::handler::FromContext for Wrapped {
    fn from_context(context: &annals::handler::Context<'_>) -> Result<Self, annals::handler::ContextError> {
        Views::from_context(context).map(Self)
    }
}

async fn total(sums: Views<Sums>) -> Result<i64, QueryError> {
    Ok(sums.get(&"t".to_owned()).await?.unwrap_or_default().total)
}

#[query_handlers]
impl Untagged {
    #[handle]
    async fn time(_: WithTime, sums: Views<Sums>, now: Now) -> Result<i64, QueryError> {
        Ok(total(sums).await? + now.0.as_micros())
    }

    #[handle]
    async fn metadata(_: WithMetadata, metadata: &Metadata, sums: Views<Sums>) -> Result<i64, QueryError> {
        Ok(total(sums).await? + i64::from(metadata.get("more").is_some()))
    }

    #[handle]
    async fn resource(_: WithResource, sums: Views<Sums>, more: &Arc<AtomicU32>) -> Result<i64, QueryError> {
        Ok(total(sums).await? + i64::from(more.load(Ordering::SeqCst)))
    }

    #[handle]
    async fn state(&self, _: WithState, sums: Views<Sums>) -> Result<i64, QueryError> {
        Ok(total(sums).await? + self.number)
    }

    #[handle]
    async fn live(_: FromLive, sums: Views<LiveSums>) -> Result<i64, QueryError> {
        Ok(sums.get(&"t".to_owned()).await?.unwrap_or_default().total)
    }

    #[handle]
    async fn nothing(_: FromNothing) -> i64 {
        1
    }

    #[handle]
    async fn hidden(_: Hidden, sums: Wrapped) -> Result<i64, QueryError> {
        total(sums.0).await
    }
}

async fn has_no_tag<Q>(app: &Annals, query: Q)
where
    Q: Query<Kind = annals::message::Single> + std::hash::Hash,
{
    let answered = app.query(query).unless_unchanged(None).await.unwrap();
    assert!(matches!(answered, Answered::Changed(Answer { etag: None, .. })), "{}", Q::NAME);
}

#[tokio::test]
async fn an_answer_that_may_rest_on_more_than_stored_documents_has_no_tag() {
    let builder = tagged().include::<Untagged>().resource(Untagged { number: 1 }).resource(Arc::new(AtomicU32::new(0)));
    let app = builder.store("memory:").start().await.unwrap();
    count(&app, "t", 1).await;
    has_no_tag(&app, WithTime).await;
    has_no_tag(&app, WithMetadata).await;
    has_no_tag(&app, WithResource).await;
    has_no_tag(&app, WithState).await;
    has_no_tag(&app, FromLive).await;
    has_no_tag(&app, FromNothing).await;
    has_no_tag(&app, Hidden).await;
    app.shutdown().await.unwrap();
}

/// Changes answers for some.
struct Rounded;

#[async_trait::async_trait]
impl QueryInterceptor for Rounded {
    async fn intercept(&self, mut query: QueryMessage, next: annals::query::Next<'_>) -> QueryResult {
        let how = query.metadata.get("round").map(str::to_owned);
        if how.is_some() {
            query.without_tag();
        }
        let mut answer = next.run(query).await?;
        match how.as_deref() {
            Some("replace") => return Ok(QueryAnswer::new(7_i64)),
            Some("change") => {
                if let Some(total) = answer.get_mut::<i64>() {
                    *total -= *total % 10;
                }
            }
            _ => {}
        }
        Ok(answer)
    }
}

#[tokio::test]
async fn an_answer_that_an_interceptor_has_changed_has_no_tag() {
    let app = tagged().query_interceptor(Rounded).store("memory:").start().await.unwrap();
    count(&app, "t", 25).await;
    app.settled(PATIENCE).await.unwrap();
    for (how, rounded) in [("change", 20), ("replace", 7)] {
        let answered = app.query(sum(2, "t")).metadata("round", how).unless_unchanged(None).await.unwrap();
        let Answered::Changed(Answer { reply, etag: None, .. }) = answered else { panic!("{answered:?}") };
        assert_eq!(reply, rounded);
    }
    let (reply, etag) = fresh(&app, sum(2, "t")).await;
    assert_eq!(reply, 25);
    // The tag of the answer to one caller does not stand for the answer to another.
    let other = app.query(sum(2, "t")).metadata("round", "change").unless_unchanged(etag).await.unwrap();
    assert!(matches!(other, Answered::Changed(Answer { reply: 20, etag: None, .. })), "{other:?}");
    app.shutdown().await.unwrap();
}
