//! A subscription while it goes on.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::handler::{Fingerprints, Reads};
use crate::message::SubscriptionQuery;
use crate::query::interceptor::Last;
use crate::query::message::{Manner, QueryAnswer, QueryMessage, QueryResult};
use crate::query::terms::Terms;
use crate::query::{QueryBus, QueryError};
use crate::view::{FollowedView, Interest, Standing, ViewMode};

use super::subscribers::{End, Subscriber};
use super::{Subscribers, SubscriptionError};

/// A subscription while it goes on. Dropping it ends it.
pub(super) struct Following<Q: SubscriptionQuery> {
    bus: Arc<QueryBus>,
    terms: Terms,
    registered: Registered<Q>,
    emitted: mpsc::Receiver<Q::Update>,
    /// The change of what was read; `None` where updates are emitted alone.
    interest: Option<Arc<Interest>>,
    /// The update that was sent last.
    last: Option<Q::Update>,
    /// How far the asynchronous views were, each, when the last answer had been given.
    standing: Vec<Standing>,
    /// Whether a view is built anew, and was not yet seen to be as far as it was.
    rebuilding: bool,
    /// Whether the query is to be answered again after a pause, though nothing changes.
    again: bool,
    buffer: usize,
}

/// A registration that goes with the subscription.
struct Registered<Q: SubscriptionQuery> {
    subscriber: Arc<Subscriber<Q>>,
    subscribers: Subscribers,
}

impl<Q: SubscriptionQuery> Drop for Registered<Q> {
    fn drop(&mut self) {
        self.subscribers.forget(&self.subscriber);
    }
}

impl<Q: SubscriptionQuery> Following<Q> {
    /// Registers, then computes the first answer.
    pub(super) async fn begin(
        bus: Arc<QueryBus>,
        query: Q,
        terms: Terms,
        buffer: usize,
    ) -> Result<(Q::Reply, Self), SubscriptionError> {
        let parts = &bus.parts;
        if parts.stop.is_cancelled() {
            return Err(SubscriptionError::ShutDown { query: Q::NAME });
        }
        let views: Vec<&'static str> = bus.route::<Q>(Q::NAME)?.views.iter().map(|view| view.name).collect();
        let (subscriber, emitted) = parts.subscribers.register(query, buffer);
        let registered = Registered { subscriber, subscribers: parts.subscribers.clone() };
        let interest = (Q::FOLLOWS_VIEWS && !views.is_empty())
            .then(|| parts.changes.register(views.clone(), Arc::new(Reads::new(Fingerprints::Without))));
        if interest.is_some() {
            for view in views {
                parts.follower.begin(view).await.map_err(QueryError::failed)?;
            }
        }
        let mut following = Self {
            bus: Arc::clone(&bus),
            terms,
            registered,
            emitted,
            interest,
            last: None,
            standing: Vec::new(),
            rebuilding: false,
            again: false,
            buffer,
        };
        let first = following.answer(Some(&following.terms)).await?;
        following.standing = following.look().await?;
        following.last = Q::remember(&first);
        Ok((first, following))
    }

    /// The next update; `None` when the subscription was completed.
    pub(super) async fn next(&mut self) -> Option<Result<Q::Update, SubscriptionError>> {
        let stop = self.bus.parts.stop.clone();
        loop {
            let pause = self.bus.parts.config.poll;
            tokio::select! {
                biased;
                emitted = self.emitted.recv() => return match emitted {
                    Some(update) => {
                        // A view that has the same to say says nothing new.
                        self.last = Some(update.clone());
                        Some(Ok(update))
                    }
                    None => self.end().map(Err),
                },
                () = stop.cancelled() => return Some(Err(SubscriptionError::ShutDown { query: Q::NAME })),
                () = changed(self.interest.as_deref()) => {}
                () = tokio::time::sleep(pause), if self.again => {}
            }
            let answered = tokio::select! {
                biased;
                () = stop.cancelled() => return Some(Err(SubscriptionError::ShutDown { query: Q::NAME })),
                answered = self.answer_again() => answered,
            };
            if let Some(update) = answered.transpose() {
                return Some(update.map_err(Into::into));
            }
        }
    }

    /// The update that the answer of now is, if it differs from the last one.
    ///
    /// A store shows what was committed, so a later answer is never older, but for views that are built anew: until they
    /// are as far as they were, nothing is answered from them.
    async fn answer_again(&mut self) -> Result<Option<Q::Update>, QueryError> {
        self.again = true;
        let before = if self.rebuilding { self.look().await? } else { self.standing.clone() };
        if before.iter().any(|view| view.is_behind) {
            self.rebuilding = true;
            return Ok(None);
        }
        let reply = self.answer(None).await?;
        let after = self.look().await?;
        self.rebuilding = !is_same_build(&before, &after);
        if self.rebuilding {
            return Ok(None);
        }
        self.again = false;
        self.standing = after;
        Ok(Q::update(&mut self.last, reply))
    }

    /// Asks the handler, with `terms` for the first time. What it reads is of interest from then on.
    async fn answer(&self, terms: Option<&Terms>) -> Result<Q::Reply, QueryError> {
        let reads = self.interest.as_ref().map(|interest| {
            let reads = Arc::new(Reads::new(Fingerprints::Without));
            interest.replace(Arc::clone(&reads));
            reads
        });
        let message =
            QueryMessage::new(Q::NAME, Manner::Subscription, self.terms.metadata.clone(), self.query().clone());
        let asked = Asked::<Q> { bus: &self.bus, terms, reads, query: PhantomData };
        self.bus.dispatch(message, &asked).await?.into_value(Q::NAME)
    }

    /// How the asynchronous views stand, each.
    async fn look(&self) -> Result<Vec<Standing>, QueryError> {
        let mut standing = Vec::new();
        if self.interest.is_some() {
            let views = &self.bus.route::<Q>(Q::NAME)?.views;
            for FollowedView { id, processor, .. } in views.iter().filter(|view| view.mode == ViewMode::Asynchronous) {
                let journal = &self.bus.parts.journal;
                standing.push(Standing::read(journal, id, processor).await.map_err(QueryError::failed)?);
            }
        }
        Ok(standing)
    }

    fn query(&self) -> &Q {
        &self.registered.subscriber.query
    }

    /// What the subscription ends with.
    fn end(&self) -> Option<SubscriptionError> {
        match self.registered.subscriber.why()? {
            End::Completed => None,
            End::Failed(source) => Some(SubscriptionError::Completed { query: Q::NAME, source }),
            End::Overflow => Some(SubscriptionError::Overflow { query: Q::NAME, buffer: self.buffer }),
        }
    }
}

/// Whether no view was built anew in between.
fn is_same_build(before: &[Standing], after: &[Standing]) -> bool {
    before.iter().zip(after).all(|(before, after)| before.replays == after.replays)
}

/// Waits until something has changed that the last answer rests on.
async fn changed(interest: Option<&Interest>) {
    match interest {
        Some(interest) => interest.signal.notified().await,
        None => std::future::pending().await,
    }
}

/// The end of the interceptors.
struct Asked<'a, Q> {
    bus: &'a QueryBus,
    terms: Option<&'a Terms>,
    reads: Option<Arc<Reads>>,
    query: PhantomData<fn() -> Q>,
}

#[async_trait]
impl<Q: SubscriptionQuery> Last for Asked<'_, Q> {
    async fn run(&self, message: QueryMessage) -> QueryResult {
        let (query, metadata) = message.into_parts::<Q>()?;
        let (route, parts) = (self.bus.route::<Q>(Q::NAME)?, &self.bus.parts);
        if let Some(terms) = self.terms {
            route.wait(parts, terms).await?;
        }
        Ok(QueryAnswer::new(route.answer(parts, query, &metadata, self.reads.as_ref()).await?))
    }
}
