//! A query that one handler answers.

use std::fmt;
use std::future::IntoFuture;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use crate::message::Query;

use super::etag::{Basis, ETag, Identity};
use super::interceptor::Last;
use super::message::{Manner, QueryAnswer, QueryMessage, QueryResult, Tagging};
use super::terms::{Terms, terms_of_a_call};
use super::{QueryBus, QueryError};

/// A query about to be asked: await it.
#[must_use = "a query is asked when the call is awaited"]
pub struct QueryCall<Q> {
    bus: Arc<QueryBus>,
    query: Q,
    terms: Terms,
    within: Option<Duration>,
}

impl<Q: Query> QueryCall<Q> {
    pub(super) fn new(bus: Arc<QueryBus>, query: Q) -> Self {
        Self { bus, query, terms: Terms::default(), within: None }
    }

    terms_of_a_call!();

    /// Gives the whole answer so much time, what `after(..)` waits included; then it fails with
    /// [`QueryError::Timeout`], and the handler is cancelled. Default: no limit.
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = Some(limit);
        self
    }

    /// Gives the answer with its tag, or says that it is still the one with the tag `known`. `None` stands for a caller
    /// that has none yet. See [`ETag`] for the answers that have one.
    ///
    /// ```standalone_crate
    /// # use annals::prelude::*;
    /// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.switched")] struct Switched { #[tag] lamp: String, on: bool }
    /// # #[derive(View, Serialize, Deserialize, Default, Clone)] #[view(name = "lamps", key = String)] struct Lamp { on: bool }
    /// # #[view_handlers] impl Lamp { #[handle(key = lamp)] fn switched(&mut self, event: &Switched) { self.on = event.on; } }
    /// use annals::query::Answered;
    ///
    /// #[derive(Query, Hash)]
    /// #[query(name = "lamp.on", reply = bool)]
    /// struct IsOn { lamp: String }
    ///
    /// #[query_handlers]
    /// impl Lamp {
    ///     #[handle]
    ///     async fn is_on(query: IsOn, lamps: Views<Lamp>) -> Result<bool, QueryError> {
    ///         Ok(lamps.get(&query.lamp).await?.unwrap_or_default().on)
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> annals::Result<()> {
    /// let app = Annals::open("memory:").await?;
    /// let ask = || app.query(IsOn { lamp: "hall".into() });
    /// let Answered::Changed(first) = ask().unless_unchanged(None).await? else { unreachable!() };
    /// let again = ask().unless_unchanged(first.etag).await?;
    /// assert!(matches!(again, Answered::Unchanged(_)));
    /// app.shutdown().await
    /// # }
    /// ```
    pub fn unless_unchanged(self, known: impl Into<Option<ETag>>) -> TaggedCall<Q>
    where
        Q: Hash,
    {
        TaggedCall { call: self, tags: Tags { known: known.into(), identify: Identity::of::<Q> } }
    }

    async fn ask(self) -> Result<Q::Reply, QueryError> {
        self.dispatch(None).await?.into_value(Q::NAME)
    }

    async fn dispatch(self, tags: Option<Tags<Q>>) -> QueryResult {
        let Self { bus, query, terms, within } = self;
        let message = QueryMessage::new(Q::NAME, Manner::Single, terms.metadata.clone(), query);
        let asked = Asked { bus: &bus, terms: &terms, tags };
        let answered = bus.dispatch(message, &asked);
        match within {
            None => answered.await,
            Some(after) => {
                let late = |_| QueryError::Timeout { query: Q::NAME, after };
                tokio::time::timeout(after, answered).await.map_err(late)?
            }
        }
    }

    fn terms_mut(&mut self) -> &mut Terms {
        &mut self.terms
    }
}

/// What the caller knows of tags.
struct Tags<Q> {
    known: Option<ETag>,
    identify: fn(&Q) -> Identity,
}

/// The end of the interceptors.
struct Asked<'a, Q> {
    bus: &'a QueryBus,
    terms: &'a Terms,
    tags: Option<Tags<Q>>,
}

#[async_trait]
impl<Q: Query> Last for Asked<'_, Q> {
    async fn run(&self, message: QueryMessage) -> QueryResult {
        let tagging = message.tagging;
        let (query, metadata) = message.into_parts::<Q>()?;
        let (route, parts) = (self.bus.route::<Q>(Q::NAME)?, &self.bus.parts);
        route.wait(parts, self.terms).await?;
        let Some(tags) = self.tags.as_ref().filter(|_| tagging == Tagging::Allowed) else {
            return Ok(QueryAnswer::new(route.answer(parts, query, &metadata, None).await?));
        };
        let basis = Basis::read(parts, route, (tags.identify)(&query)).await?;
        if let Some(known) = tags.known.as_ref().filter(|known| basis.still_holds(known)) {
            return Ok(QueryAnswer::unchanged(known.clone()));
        }
        let reads = basis.reads();
        let reply = route.answer(parts, query, &metadata, Some(&reads)).await?;
        Ok(match (basis.tag(&reads), &tags.known) {
            (Some(etag), Some(known)) if etag.has_same_answer(known) => QueryAnswer::unchanged(etag),
            (etag, _) => QueryAnswer::tagged(reply, etag),
        })
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
        f.debug_struct("QueryCall").field("query", &Q::NAME).field("terms", &self.terms).finish_non_exhaustive()
    }
}

/// A query about to be asked by somebody who may have the answer already: await it.
#[must_use = "a query is asked when the call is awaited"]
pub struct TaggedCall<Q> {
    call: QueryCall<Q>,
    tags: Tags<Q>,
}

/// What comes of a query that was asked with [`QueryCall::unless_unchanged`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered<R> {
    /// The caller does not have this answer, or it has no tag.
    Changed(Answer<R>),
    /// The caller has the answer. It is to be asked for with this tag from now on; as an HTTP answer this is 304.
    Unchanged(ETag),
}

/// An answer with its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer<R> {
    /// The handler's reply.
    pub reply: R,
    /// The tag; `None` where the answer rests on more than documents.
    pub etag: Option<ETag>,
}

impl<Q: Query> IntoFuture for TaggedCall<Q> {
    type Output = Result<Answered<Q::Reply>, QueryError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            match self.call.dispatch(Some(self.tags)).await?.into_parts(Q::NAME)? {
                (Some(reply), etag) => Ok(Answered::Changed(Answer { reply, etag })),
                (None, Some(etag)) => Ok(Answered::Unchanged(etag)),
                (None, None) => Err(QueryError::foreign(Q::NAME, "reply")),
            }
        })
    }
}

impl<Q: Query> fmt::Debug for TaggedCall<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.fmt(f)
    }
}
