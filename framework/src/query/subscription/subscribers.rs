//! The subscriptions of an application.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::message::SubscriptionQuery;

/// Who is subscribed to what. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Subscribers(Arc<Mutex<ByQuery>>);

/// Each entry is a `Weak<Subscriber<Q>>`, under the type of its `Q`.
type ByQuery = HashMap<TypeId, Vec<Weak<dyn Any + Send + Sync>>>;

/// One subscription. Dropping it ends it.
pub(super) struct Subscriber<Q: SubscriptionQuery> {
    pub(super) query: Q,
    line: Mutex<Line<Q::Update>>,
}

/// The way of emitted updates to a subscriber.
struct Line<U> {
    /// `None` when it has ended.
    sender: Option<mpsc::Sender<U>>,
    end: Option<End>,
}

/// Why no more updates come.
#[derive(Debug, Clone)]
pub(super) enum End {
    Completed,
    Failed(Arc<dyn std::error::Error + Send + Sync>),
    Overflow,
}

impl Subscribers {
    /// Registers a subscription of `query`; at most `buffer` updates wait for it.
    pub(super) fn register<Q: SubscriptionQuery>(
        &self,
        query: Q,
        buffer: usize,
    ) -> (Arc<Subscriber<Q>>, mpsc::Receiver<Q::Update>) {
        let (sender, receiver) = mpsc::channel(buffer.max(1));
        let line = Mutex::new(Line { sender: Some(sender), end: None });
        let subscriber = Arc::new(Subscriber { query, line });
        let entry: Weak<Subscriber<Q>> = Arc::downgrade(&subscriber);
        self.all().entry(TypeId::of::<Q>()).or_default().push(entry);
        (subscriber, receiver)
    }

    /// Forgets `subscriber`.
    pub(super) fn forget<Q: SubscriptionQuery>(&self, subscriber: &Arc<Subscriber<Q>>) {
        let mut all = self.all();
        if let Some(entries) = all.get_mut(&TypeId::of::<Q>()) {
            entries.retain(|entry| !std::ptr::addr_eq(entry.as_ptr(), Arc::as_ptr(subscriber)));
            if entries.is_empty() {
                all.remove(&TypeId::of::<Q>());
            }
        }
    }

    /// The subscriptions of `Q` that go on and whose query is one that `matching` says.
    pub(super) fn matching<Q: SubscriptionQuery>(&self, matching: &dyn Fn(&Q) -> bool) -> Vec<Arc<Subscriber<Q>>> {
        let entries: Vec<_> =
            self.all().get(&TypeId::of::<Q>()).into_iter().flatten().filter_map(Weak::upgrade).collect();
        // What the caller wrote runs outside the lock.
        let subscribers = entries.into_iter().filter_map(|entry| entry.downcast::<Subscriber<Q>>().ok());
        subscribers.filter(|subscriber| subscriber.goes_on() && matching(&subscriber.query)).collect()
    }

    fn all(&self) -> MutexGuard<'_, ByQuery> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q: SubscriptionQuery> Subscriber<Q> {
    /// Hands over an update. A subscriber whose buffer is full ends with what it has.
    pub(super) fn send(&self, update: Q::Update) {
        let mut line = self.line();
        let Some(sender) = &line.sender else { return };
        if let Err(TrySendError::Full(_)) = sender.try_send(update) {
            line.end(End::Overflow);
        }
    }

    /// Nothing more comes after what waits.
    pub(super) fn end(&self, end: End) {
        self.line().end(end);
    }

    /// Why nothing more comes.
    pub(super) fn why(&self) -> Option<End> {
        self.line().end.clone()
    }

    fn goes_on(&self) -> bool {
        self.line().sender.is_some()
    }

    fn line(&self) -> MutexGuard<'_, Line<Q::Update>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<U> Line<U> {
    fn end(&mut self, end: End) {
        if self.sender.take().is_some() {
            self.end = Some(end);
        }
    }
}
