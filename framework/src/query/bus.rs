//! The query bus, and calls that wait for what the caller has written.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::future::IntoFuture;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::command::Sent;
use crate::handler::{Context, Resources, panic_message};
use crate::message::{Clock, Metadata, Position, Query, StreamId};
use crate::processor::{Behind, Processors};

use super::error::QueryError;
use super::handler::AnsweredBy;

/// How long `after(..)` waits unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(5);

/// The query handlers of an application, built once at start.
pub struct QueryBus {
    routes: HashMap<TypeId, Route>,
    processors: Processors,
    resources: Arc<Resources>,
    clock: Arc<dyn Clock>,
}

/// A query's handler and what feeds its read models.
pub(crate) struct Route {
    /// An `Arc<dyn Answer<Q>>`.
    handler: Box<dyn Any + Send + Sync>,
    processors: Vec<String>,
}

impl Route {
    /// The query `Q` answered by the component `H`, whose read models `processors` feed.
    pub(crate) fn new<H: Send + Sync + 'static, Q: AnsweredBy<H>>(
        component: Option<Arc<H>>,
        processors: Vec<String>,
    ) -> Self {
        let handler: Arc<dyn Answer<Q>> = Arc::new(Answerer { component });
        Self { handler: Box::new(handler), processors }
    }
}

#[async_trait]
trait Answer<Q: Query>: Send + Sync {
    async fn answer(&self, query: Q, context: &Context<'_>) -> Result<Q::Reply, QueryError>;
}

struct Answerer<H> {
    component: Option<Arc<H>>,
}

#[async_trait]
impl<H: Send + Sync + 'static, Q: AnsweredBy<H>> Answer<Q> for Answerer<H> {
    async fn answer(&self, query: Q, context: &Context<'_>) -> Result<Q::Reply, QueryError> {
        query.answer(self.component.as_deref(), context).await
    }
}

impl QueryBus {
    pub(crate) fn new(
        routes: HashMap<TypeId, Route>,
        processors: Processors,
        resources: Arc<Resources>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { routes, processors, resources, clock }
    }

    /// Asks `query`; await the call, after changing what is to be changed.
    pub fn ask<Q: Query>(self: &Arc<Self>, query: Q) -> QueryCall<Q> {
        QueryCall {
            bus: Arc::clone(self),
            query,
            metadata: Metadata::new(),
            after: None,
            timeout: PATIENCE,
            stale: StalePolicy::Fail,
        }
    }
}

impl fmt::Debug for QueryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryBus").field("queries", &self.routes.len()).finish_non_exhaustive()
    }
}

/// What an answer must include: everything up to a position.
#[derive(Debug, Clone)]
pub struct Mark {
    pub(crate) position: Position,
    pub(crate) stream: Option<StreamId>,
}

impl<R> From<&Sent<R>> for Mark {
    fn from(sent: &Sent<R>) -> Self {
        Self { position: sent.position, stream: sent.stream.clone() }
    }
}

impl From<Position> for Mark {
    fn from(position: Position) -> Self {
        Self { position, stream: None }
    }
}

/// What becomes of a query whose read model is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StalePolicy {
    /// It fails with [`QueryError::Stale`].
    Fail,
    /// It is answered from what is there.
    Answer,
}

/// A query about to be asked: await it.
#[must_use = "a query is asked when the call is awaited"]
pub struct QueryCall<Q> {
    bus: Arc<QueryBus>,
    query: Q,
    metadata: Metadata,
    after: Option<Mark>,
    timeout: Duration,
    stale: StalePolicy,
}

impl<Q: Query> QueryCall<Q> {
    /// Waits until the read models that answer include what was sent (`&sent`) or everything up to a position.
    pub fn after(mut self, mark: impl Into<Mark>) -> Self {
        self.after = Some(mark.into());
        self
    }

    /// Waits at most so long for the read models. Default 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// When the read models are late, answers from what is there instead of failing.
    pub fn or_stale(mut self) -> Self {
        self.stale = StalePolicy::Answer;
        self
    }

    /// Carries `value` under `key` to the handler.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key, value);
        self
    }

    async fn ask(self) -> Result<Q::Reply, QueryError> {
        let no_handler = || QueryError::NoHandler { query: Q::NAME };
        let route = self.bus.routes.get(&TypeId::of::<Q>()).ok_or_else(no_handler)?;
        let handler = route.handler.downcast_ref::<Arc<dyn Answer<Q>>>().ok_or_else(no_handler)?;
        if let Some(mark) = &self.after {
            let deadline = tokio::time::Instant::now() + self.timeout;
            for processor in &route.processors {
                let left = deadline.saturating_duration_since(tokio::time::Instant::now());
                let waited = self.bus.processors.wait(processor, mark.position, mark.stream.as_ref(), left).await;
                match (waited, self.stale) {
                    (Ok(()), _) | (Err(Behind::Late { .. } | Behind::Parked { .. }), StalePolicy::Answer) => {}
                    (Err(behind), _) => return Err(self.behind(behind, mark.position)),
                }
            }
        }
        let context = Context::new(self.bus.clock.now(), &self.metadata, &self.bus.resources);
        let answered = AssertUnwindSafe(handler.answer(self.query, &context)).catch_unwind().await;
        answered.unwrap_or_else(|panic| {
            Err(QueryError::failed(format!("the handler of `{}` panicked: {}", Q::NAME, panic_message(&*panic))))
        })
    }

    fn behind(&self, behind: Behind, wanted: Position) -> QueryError {
        match behind {
            Behind::Late { processor, reached, .. } => {
                QueryError::Stale { processor, reached, wanted, waited: self.timeout }
            }
            Behind::Parked { processor } => QueryError::Parked { processor },
            Behind::Store(error) => QueryError::failed(error),
        }
    }
}

impl<Q: Query> IntoFuture for QueryCall<Q> {
    type Output = Result<Q::Reply, QueryError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ask())
    }
}

impl<Q: Query> fmt::Debug for QueryCall<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryCall").field("query", &Q::NAME).field("after", &self.after).finish_non_exhaustive()
    }
}
