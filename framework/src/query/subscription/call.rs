//! Subscribing to a query.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, stream};

use crate::message::SubscriptionQuery;
use crate::query::QueryBus;
use crate::query::terms::{Terms, terms_of_a_call};

use super::SubscriptionError;
use super::following::Following;

/// A subscription about to be made: await it for the first answer and the updates.
#[must_use = "a query is subscribed to when the call is awaited"]
pub struct SubscribeCall<Q> {
    bus: Arc<QueryBus>,
    query: Q,
    terms: Terms,
    buffer: usize,
}

/// The first answer, and the updates of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Subscription<Q: SubscriptionQuery> {
    /// The first answer.
    pub first: Q::Reply,
    /// What comes after it.
    pub updates: Updates<Q>,
}

/// The updates of a subscription: a stream that goes on until it is dropped, somebody completes it, its subscriber is too
/// slow, or the application is shut down.
pub struct Updates<Q: SubscriptionQuery>(BoxStream<'static, Result<Q::Update, SubscriptionError>>);

impl<Q: SubscriptionQuery> SubscribeCall<Q> {
    pub(in crate::query) fn new(bus: Arc<QueryBus>, query: Q) -> Self {
        let buffer = bus.parts.config.buffer;
        Self { bus, query, terms: Terms::default(), buffer }
    }

    terms_of_a_call!();

    /// Has so many emitted updates wait for the subscriber, at least 1, before it overflows. Default:
    /// [`QueryConfig::buffer`](crate::query::QueryConfig::buffer). Changes of views never overflow: whoever is slow gets the
    /// newest answer.
    pub fn buffer(mut self, updates: usize) -> Self {
        self.buffer = updates.max(1);
        self
    }

    fn terms_mut(&mut self) -> &mut Terms {
        &mut self.terms
    }
}

impl<Q: SubscriptionQuery> IntoFuture for SubscribeCall<Q> {
    type Output = Result<Subscription<Q>, SubscriptionError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (first, following) = Following::begin(self.bus, self.query, self.terms, self.buffer).await?;
            let updates = stream::unfold(Some(following), |following| async move {
                let mut following = following?;
                let next = following.next().await?;
                let over = matches!(&next, Err(error) if !matches!(error, SubscriptionError::Query(_)));
                Some((next, (!over).then_some(following)))
            });
            Ok(Subscription { first, updates: Updates(updates.boxed()) })
        })
    }
}

impl<Q: SubscriptionQuery> Stream for Updates<Q> {
    type Item = Result<Q::Update, SubscriptionError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl<Q: SubscriptionQuery> fmt::Debug for SubscribeCall<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscribeCall").field("query", &Q::NAME).field("terms", &self.terms).finish_non_exhaustive()
    }
}

impl<Q: SubscriptionQuery> fmt::Debug for Updates<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Updates").field(&Q::NAME).finish()
    }
}
