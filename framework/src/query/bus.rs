//! The query bus: all query handlers of an application.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::handler::Resources;
use crate::message::{AnsweredByAll, AnsweredByOne, Clock, Query, StreamQuery, SubscriptionQuery};
use crate::processor::Processors;
use crate::store::Journal;
use crate::view::{Follower, ViewChanges};

use super::gather::GatherCall;
use super::interceptor::{Last, Next, QueryInterceptor};
use super::message::{QueryMessage, QueryResult};
use super::route::Route;
use super::stream::StreamCall;
use super::subscription::{SubscribeCall, Subscribers};
use super::{QueryCall, QueryConfig, QueryError};

/// The query handlers of an application, built once at start.
pub struct QueryBus {
    routes: HashMap<TypeId, Vec<Route>>,
    pub(crate) parts: Parts,
}

/// What the bus works with.
pub(crate) struct Parts {
    pub(crate) journal: Journal,
    pub(crate) processors: Processors,
    pub(crate) resources: Arc<Resources>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: QueryConfig,
    pub(crate) interceptors: Vec<Arc<dyn QueryInterceptor>>,
    pub(crate) subscribers: Subscribers,
    pub(crate) changes: ViewChanges,
    pub(crate) follower: Follower,
    pub(crate) stop: CancellationToken,
    /// Names the build of the program, or else this process.
    pub(crate) build: Uuid,
}

impl QueryBus {
    pub(crate) fn new(routes: HashMap<TypeId, Vec<Route>>, parts: Parts) -> Self {
        Self { routes, parts }
    }

    /// Asks `query`; await the call, after changing what is to be changed.
    pub fn ask<Q: Query<Kind: AnsweredByOne>>(self: &Arc<Self>, query: Q) -> QueryCall<Q> {
        QueryCall::new(Arc::clone(self), query)
    }

    /// Asks `query` of all its handlers; await the call, after changing what is to be changed.
    pub fn ask_all<Q: Query<Kind: AnsweredByAll> + Clone>(self: &Arc<Self>, query: Q) -> GatherCall<Q> {
        GatherCall::new(Arc::clone(self), query)
    }

    /// Asks `query`, whose answer is a stream of rows.
    pub fn stream<Q: StreamQuery>(self: &Arc<Self>, query: Q) -> StreamCall<Q> {
        StreamCall::new(Arc::clone(self), query)
    }

    /// Asks `query` and goes on answering it; await the call, after changing what is to be changed.
    pub fn subscribe<Q: SubscriptionQuery>(self: &Arc<Self>, query: Q) -> SubscribeCall<Q> {
        SubscribeCall::new(Arc::clone(self), query)
    }

    /// The handlers of the query type `Q`.
    pub(super) fn routes<Q: 'static>(&self) -> &[Route] {
        self.routes.get(&TypeId::of::<Q>()).map_or(&[], Vec::as_slice)
    }

    /// The handler of `Q`, which has one.
    pub(super) fn route<Q: 'static>(&self, query: &'static str) -> Result<&Route, QueryError> {
        self.routes::<Q>().first().ok_or(QueryError::NoHandler { query })
    }

    /// Sends a query through the interceptors to `last`.
    pub(super) async fn dispatch(&self, query: QueryMessage, last: &dyn Last) -> QueryResult {
        Next::new(&self.parts.interceptors, last).run(query).await
    }
}

impl fmt::Debug for QueryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryBus").field("queries", &self.routes.len()).finish_non_exhaustive()
    }
}
