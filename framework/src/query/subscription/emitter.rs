//! Emitting updates.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use crate::handler::{Context, ContextError, FromContext, Later, Requirement, panic_message};
use crate::message::SubscriptionQuery;
use crate::store::error::BoxError;

use super::Subscribers;
use super::subscribers::{End, Subscriber};

/// Tells subscribers of queries what is new. Event handlers and handlers outside aggregates take it as a parameter;
/// `app.updates()` gives it to others. It reaches the subscribers of this process.
///
/// In an event handler everything takes effect after the commit of its transaction, and never if that is rolled back. An
/// event whose handling is tried again, or that is replayed, emits again.
///
/// ```
/// use annals::prelude::*;
/// use annals::query::QueryUpdates;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "order.shipped")] struct OrderShipped { #[tag] order: String }
/// #[derive(Query, Clone)]
/// #[query(name = "order.progress", reply = Vec<String>, update = String)]
/// struct Progress { order: String }
///
/// #[derive(Default)]
/// struct Announcer;
///
/// #[event_handlers(processor = "announcer")]
/// impl Announcer {
///     #[handle]
///     async fn shipped(&self, event: &OrderShipped, updates: QueryUpdates) -> Result<(), HandlerError> {
///         let order = event.order.clone();
///         updates.emit::<Progress>(move |query| query.order == order, || "shipped".into());
///         Ok(())
///     }
/// }
/// ```
#[derive(Clone)]
pub struct QueryUpdates {
    subscribers: Subscribers,
    /// Takes what is done after the commit; `None` outside transactions.
    later: Option<Later>,
}

impl QueryUpdates {
    pub(crate) fn new(subscribers: Subscribers) -> Self {
        Self { subscribers, later: None }
    }

    /// Sends `update` to the subscribers of `Q` whose query is one that `matching` says; returns how many match now.
    /// `update` is only called if somebody matches when it is sent, which in an event handler is after the commit: whoever
    /// subscribes before that misses nothing.
    pub fn emit<Q: SubscriptionQuery>(
        &self,
        matching: impl Fn(&Q) -> bool + Send + 'static,
        update: impl FnOnce() -> Q::Update + Send + 'static,
    ) -> usize {
        self.with_matching(matching, |subscribers| {
            if subscribers.is_empty() {
                return;
            }
            let update = update();
            for subscriber in subscribers {
                subscriber.send(update.clone());
            }
        })
    }

    /// Ends the matching subscriptions: after what waits for them nothing more comes. Returns how many match now.
    pub fn complete<Q: SubscriptionQuery>(&self, matching: impl Fn(&Q) -> bool + Send + 'static) -> usize {
        self.end(matching, End::Completed)
    }

    /// Ends the matching subscriptions with `error`, which is the last that they get. Returns how many match now.
    pub fn complete_with<Q: SubscriptionQuery>(
        &self,
        matching: impl Fn(&Q) -> bool + Send + 'static,
        error: impl Into<BoxError>,
    ) -> usize {
        self.end(matching, End::Failed(Arc::from(error.into())))
    }

    fn end<Q: SubscriptionQuery>(&self, matching: impl Fn(&Q) -> bool + Send + 'static, end: End) -> usize {
        self.with_matching(matching, move |subscribers: Vec<Arc<Subscriber<Q>>>| {
            for subscriber in subscribers {
                subscriber.end(end.clone());
            }
        })
    }

    fn with_matching<Q: SubscriptionQuery>(
        &self,
        matching: impl Fn(&Q) -> bool + Send + 'static,
        act: impl FnOnce(Vec<Arc<Subscriber<Q>>>) + Send + 'static,
    ) -> usize {
        let found = self.subscribers.matching::<Q>(&matching);
        let count = found.len();
        let Some(later) = &self.later else {
            act(found);
            return count;
        };
        drop(found);
        let subscribers = self.subscribers.clone();
        later.push(move || {
            // The transaction is done: what fails here fails nothing else.
            let acted = std::panic::catch_unwind(AssertUnwindSafe(|| act(subscribers.matching::<Q>(&matching))));
            if let Err(panic) = acted {
                tracing::error!(query = Q::NAME, panic = panic_message(&*panic), "an update could not be emitted");
            }
        });
        count
    }
}

impl FromContext for QueryUpdates {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        let subscribers = context.part::<Subscribers>()?.clone();
        Ok(Self { subscribers, later: context.later().cloned() })
    }

    fn requirement() -> Requirement {
        Requirement::Updates
    }
}

impl fmt::Debug for QueryUpdates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueryUpdates")
    }
}
