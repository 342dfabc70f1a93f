//! A handler as the bus knows it.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;

use crate::handler::{Context, Reads};
use crate::message::{Metadata, Query, StreamQuery};
use crate::view::FollowedView;

use super::bus::Parts;
use super::handler::{AnsweredBy, StreamedBy};
use super::rows::Rows;
use super::{QueryError, Terms};

/// A query's handler and what feeds its read models.
pub(crate) struct Route {
    /// An `Arc<dyn Answer<Q>>` or an `Arc<dyn Flow<Q>>`.
    handler: Box<dyn Any + Send + Sync>,
    /// Name of the handler's type.
    pub(crate) component: &'static str,
    /// The processors that keep what the handler reads.
    pub(crate) feeding: Vec<String>,
    /// The views whose documents the handler asks for.
    pub(crate) views: Vec<FollowedView>,
}

/// What surrounds a handler, found at start.
pub(crate) struct Surroundings {
    pub(crate) component: &'static str,
    pub(crate) feeding: Vec<String>,
    pub(crate) views: Vec<FollowedView>,
}

impl Route {
    /// The query `Q` answered by the component `H`.
    pub(crate) fn answering<H: Send + Sync + 'static, Q: AnsweredBy<H>>(
        component: Option<Arc<H>>,
        surroundings: Surroundings,
    ) -> Self {
        let handler: Arc<dyn Answer<Q>> = Arc::new(Handler { component, query: PhantomData::<fn() -> Q> });
        Self::of(Box::new(handler), surroundings)
    }

    /// The query `Q` answered by the component `H` with a stream.
    pub(crate) fn streaming<H: Send + Sync + 'static, Q: StreamedBy<H>>(
        component: Option<Arc<H>>,
        surroundings: Surroundings,
    ) -> Self {
        let handler: Arc<dyn Flow<Q>> = Arc::new(Handler { component, query: PhantomData::<fn() -> Q> });
        Self::of(Box::new(handler), surroundings)
    }

    fn of(handler: Box<dyn Any + Send + Sync>, surroundings: Surroundings) -> Self {
        let Surroundings { component, feeding, views } = surroundings;
        Self { handler, component, feeding, views }
    }

    /// Has the handler answer. A panic is an error of its query.
    pub(crate) async fn answer<Q: Query>(
        &self,
        parts: &Parts,
        query: Q,
        metadata: &Metadata,
        reads: Option<&Arc<Reads>>,
    ) -> Result<Q::Reply, QueryError> {
        let handler = self.handler.downcast_ref::<Arc<dyn Answer<Q>>>();
        let handler = handler.ok_or(QueryError::NoHandler { query: Q::NAME })?;
        let context = Context::new(parts.clock.now(), metadata, &parts.resources).with_reads(reads);
        let answered = AssertUnwindSafe(handler.answer(query, &context)).catch_unwind().await;
        answered.unwrap_or_else(|panic| Err(QueryError::panicked(Q::NAME, &*panic)))
    }

    /// Waits until what the handler reads is as `terms` ask.
    pub(crate) async fn wait(&self, parts: &Parts, terms: &Terms) -> Result<(), QueryError> {
        terms.wait(&parts.processors, &self.feeding).await
    }

    /// Has the handler write the answer into `rows`.
    pub(crate) async fn stream<Q: StreamQuery>(
        &self,
        parts: &Parts,
        query: Q,
        metadata: &Metadata,
        rows: Rows<Q::Row>,
    ) -> Result<(), QueryError> {
        let handler = self.handler.downcast_ref::<Arc<dyn Flow<Q>>>();
        let handler = handler.ok_or(QueryError::NoHandler { query: Q::NAME })?;
        let context = Context::new(parts.clock.now(), metadata, &parts.resources);
        let ended = AssertUnwindSafe(handler.stream(query, &context, rows)).catch_unwind().await;
        ended.unwrap_or_else(|panic| Err(QueryError::panicked(Q::NAME, &*panic)))
    }
}

#[async_trait]
trait Answer<Q: Query>: Send + Sync {
    async fn answer(&self, query: Q, context: &Context<'_>) -> Result<Q::Reply, QueryError>;
}

#[async_trait]
trait Flow<Q: StreamQuery>: Send + Sync {
    async fn stream(&self, query: Q, context: &Context<'_>, rows: Rows<Q::Row>) -> Result<(), QueryError>;
}

struct Handler<H, Q> {
    component: Option<Arc<H>>,
    query: PhantomData<fn() -> Q>,
}

#[async_trait]
impl<H: Send + Sync + 'static, Q: AnsweredBy<H>> Answer<Q> for Handler<H, Q> {
    async fn answer(&self, query: Q, context: &Context<'_>) -> Result<Q::Reply, QueryError> {
        query.answer(self.component.as_deref(), context).await
    }
}

#[async_trait]
impl<H: Send + Sync + 'static, Q: StreamedBy<H>> Flow<Q> for Handler<H, Q> {
    async fn stream(&self, query: Q, context: &Context<'_>, rows: Rows<Q::Row>) -> Result<(), QueryError> {
        query.stream(self.component.as_deref(), context, rows).await
    }
}
