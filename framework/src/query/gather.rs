//! Scatter-gather: a query that several handlers answer.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, join_all};

use crate::message::{Metadata, Query};

use super::interceptor::Last;
use super::message::{Manner, QueryAnswer, QueryMessage, QueryResult};
use super::route::Route;
use super::terms::{Terms, terms_of_a_call};
use super::{QueryBus, QueryError};

/// A query about to be asked of all its handlers: await it. Dropping it while it is awaited cancels the handlers that are
/// still at it.
#[must_use = "a query is asked when the call is awaited"]
pub struct GatherCall<Q> {
    bus: Arc<QueryBus>,
    query: Q,
    terms: Terms,
    within: Duration,
}

/// The answers of the handlers that gave one in time, and the failures of the others.
#[derive(Debug)]
#[non_exhaustive]
pub struct Gathered<R> {
    /// The answers, in the order of the names of the handlers' types.
    pub answers: Vec<R>,
    /// Why the other handlers gave none, in the same order.
    pub failures: Vec<GatherFailure>,
}

/// A handler that gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("`{handler}` gave no answer")]
#[non_exhaustive]
pub struct GatherFailure {
    /// Name of the handler's type.
    pub handler: &'static str,
    /// Why: [`QueryError::Timeout`] for one that was too late.
    #[source]
    pub error: QueryError,
}

impl<Q: Query + Clone> GatherCall<Q> {
    pub(super) fn new(bus: Arc<QueryBus>, query: Q) -> Self {
        let within = bus.parts.config.gather_time;
        Self { bus, query, terms: Terms::default(), within }
    }

    terms_of_a_call!();

    /// Gives every handler so much time, what `after(..)` waits included. Default:
    /// [`QueryConfig::gather_time`](super::QueryConfig::gather_time).
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = limit;
        self
    }

    async fn ask(self) -> Result<Gathered<Q::Reply>, QueryError> {
        let Self { bus, query, terms, within } = self;
        let message = QueryMessage::new(Q::NAME, Manner::Gather, terms.metadata.clone(), query);
        bus.dispatch(message, &Asked::<Q> { bus: &bus, terms: &terms, within, query: std::marker::PhantomData })
            .await?
            .into_value(Q::NAME)
    }

    fn terms_mut(&mut self) -> &mut Terms {
        &mut self.terms
    }
}

/// The end of the interceptors.
struct Asked<'a, Q> {
    bus: &'a QueryBus,
    terms: &'a Terms,
    within: Duration,
    query: std::marker::PhantomData<fn() -> Q>,
}

impl<Q: Query + Clone> Asked<'_, Q> {
    async fn ask(&self, route: &Route, query: Q, metadata: &Metadata) -> Result<Q::Reply, QueryError> {
        let answered = async {
            route.wait(&self.bus.parts, self.terms).await?;
            route.answer(&self.bus.parts, query, metadata, None).await
        };
        let late = |_| QueryError::Timeout { query: Q::NAME, after: self.within };
        tokio::time::timeout(self.within, answered).await.map_err(late)?
    }
}

#[async_trait]
impl<Q: Query + Clone> Last for Asked<'_, Q> {
    async fn run(&self, message: QueryMessage) -> QueryResult {
        let (query, metadata) = message.into_parts::<Q>()?;
        let routes = self.bus.routes::<Q>();
        if routes.is_empty() {
            return Err(QueryError::NoHandler { query: Q::NAME });
        }
        let asked = join_all(routes.iter().map(|route| self.ask(route, query.clone(), &metadata))).await;
        let mut gathered = Gathered { answers: Vec::new(), failures: Vec::new() };
        for (route, answer) in routes.iter().zip(asked) {
            match answer {
                Ok(answer) => gathered.answers.push(answer),
                Err(error) => gathered.failures.push(GatherFailure { handler: route.component, error }),
            }
        }
        Ok(QueryAnswer::new(gathered))
    }
}

impl<Q: Query + Clone> IntoFuture for GatherCall<Q> {
    type Output = Result<Gathered<Q::Reply>, QueryError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ask())
    }
}

impl<Q: Query> fmt::Debug for GatherCall<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatherCall").field("query", &Q::NAME).field("terms", &self.terms).finish_non_exhaustive()
    }
}
