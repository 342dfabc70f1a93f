//! Streaming queries: an answer of many rows, of which few are in memory.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, StreamExt};

use crate::message::StreamQuery;

use super::interceptor::Last;
use super::message::{Manner, QueryAnswer, QueryMessage, QueryResult};
use super::rows::Flowing;
use super::terms::{Terms, terms_of_a_call};
use super::{QueryBus, QueryError};

/// The answer to a streaming query: a stream of rows. It begins when it is first polled, makes rows as they are asked for,
/// and ends the handler when it is dropped. An error, or a panic of the handler, is its last item.
#[must_use = "a query is asked when the stream is polled"]
pub struct StreamCall<Q: StreamQuery> {
    bus: Arc<QueryBus>,
    terms: Terms,
    state: State<Q>,
}

enum State<Q: StreamQuery> {
    Idle(Option<Q>),
    Opening(BoxFuture<'static, Result<Flowing<Q::Row>, QueryError>>),
    Flowing(Flowing<Q::Row>),
    Ended,
}

// Nothing of it is pinned in place: what must be is boxed.
impl<Q: StreamQuery> Unpin for StreamCall<Q> {}

impl<Q: StreamQuery> StreamCall<Q> {
    pub(super) fn new(bus: Arc<QueryBus>, query: Q) -> Self {
        Self { bus, terms: Terms::default(), state: State::Idle(Some(query)) }
    }

    terms_of_a_call!();

    fn terms_mut(&mut self) -> &mut Terms {
        &mut self.terms
    }
}

async fn open<Q: StreamQuery>(bus: Arc<QueryBus>, query: Q, terms: Terms) -> Result<Flowing<Q::Row>, QueryError> {
    let message = QueryMessage::new(Q::NAME, Manner::Stream, terms.metadata.clone(), query);
    let opened = Opened::<Q> { bus: &bus, terms: &terms, query: std::marker::PhantomData };
    bus.dispatch(message, &opened).await?.into_value(Q::NAME)
}

/// The end of the interceptors.
struct Opened<'a, Q> {
    bus: &'a Arc<QueryBus>,
    terms: &'a Terms,
    query: std::marker::PhantomData<fn() -> Q>,
}

#[async_trait]
impl<Q: StreamQuery> Last for Opened<'_, Q> {
    async fn run(&self, message: QueryMessage) -> QueryResult {
        let (query, metadata) = message.into_parts::<Q>()?;
        self.bus.route::<Q>(Q::NAME)?.wait(&self.bus.parts, self.terms).await?;
        let bus = Arc::clone(self.bus);
        Ok(QueryAnswer::new(Flowing::<Q::Row>::new(move |rows| {
            Box::pin(async move { bus.route::<Q>(Q::NAME)?.stream(&bus.parts, query, &metadata, rows).await })
        })))
    }
}

impl<Q: StreamQuery> Stream for StreamCall<Q> {
    type Item = Result<Q::Row, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let next = match &mut self.state {
                State::Idle(query) => match query.take() {
                    Some(query) => State::Opening(Box::pin(open(Arc::clone(&self.bus), query, self.terms.clone()))),
                    None => State::Ended,
                },
                State::Opening(opening) => match opening.poll_unpin(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(flowing)) => State::Flowing(flowing),
                    Poll::Ready(Err(error)) => {
                        self.state = State::Ended;
                        return Poll::Ready(Some(Err(error)));
                    }
                },
                State::Flowing(flowing) => match flowing.poll_next_unpin(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(item)) => return Poll::Ready(Some(item)),
                    Poll::Ready(None) => State::Ended,
                },
                State::Ended => return Poll::Ready(None),
            };
            self.state = next;
        }
    }
}

impl<Q: StreamQuery> fmt::Debug for StreamCall<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamCall").field("query", &Q::NAME).field("terms", &self.terms).finish_non_exhaustive()
    }
}
