//! A store that fails when a test says so.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use annals::store::subscriptions::SubscriptionStore;
use annals::store::{Append, AppendError, Appended, EventStore, MemoryStore, SharedStore, Store};
use annals_tests::wrapped::{Wrapped, Wrapper};
use async_trait::async_trait;

use crate::doubtful::Doubtful;

/// What happens to an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It takes as long as so many other tasks take to have their turn.
    Slow(u8),
    /// Nothing is written.
    Unavailable,
    /// The connection breaks before the commit.
    UnknownUnwritten,
    /// The connection breaks after the commit.
    UnknownWritten,
}

/// A store in memory whose next appends have the given fates, one after the other; afterwards all goes well.
#[derive(Debug)]
pub struct Shaky {
    inner: Arc<MemoryStore>,
    subscriptions: Doubtful,
    fates: Mutex<VecDeque<Fate>>,
    turn: tokio::sync::Mutex<()>,
    spares_records: bool,
}

impl Shaky {
    pub fn with(fates: impl IntoIterator<Item = Fate>) -> Self {
        let fates = Mutex::new(fates.into_iter().collect());
        let inner = Arc::<MemoryStore>::default();
        let subscriptions = Doubtful { inner: Arc::clone(&inner), next: Arc::default() };
        Self { inner, subscriptions, fates, turn: tokio::sync::Mutex::default(), spares_records: false }
    }

    /// The second part says what becomes of the next commit of a subscription; see [`Doubtful`].
    pub fn doubting_subscriptions(self) -> (Self, Arc<std::sync::atomic::AtomicU8>) {
        let next = Arc::clone(&self.subscriptions.next);
        (self, next)
    }

    /// The store.
    pub fn store(self) -> SharedStore {
        Arc::new(Wrapped(self))
    }

    /// Appends without events have no unknown outcome.
    pub fn sparing_records(self) -> Self {
        Self { spares_records: true, ..self }
    }
}

#[async_trait]
impl Wrapper for Shaky {
    fn inner(&self) -> &dyn Store {
        &*self.inner
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let _turn = self.turn.lock().await;
        let fate = self.fates.lock().unwrap().pop_front().unwrap_or(Fate::Slow(1));
        let spared = self.spares_records && append.events.is_empty() && fate != Fate::Unavailable;
        let fate = if spared { Fate::Slow(1) } else { fate };
        let turns = if let Fate::Slow(turns) = fate { turns } else { 1 };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        match fate {
            Fate::Slow(_) => self.inner.append(append).await,
            Fate::Unavailable => Err(AppendError::Unavailable { source: "the power is off".into() }),
            Fate::UnknownUnwritten => Err(AppendError::OutcomeUnknown { source: "the line is cut".into() }),
            Fate::UnknownWritten => {
                self.inner.append(append).await?;
                Err(AppendError::OutcomeUnknown { source: "the line is cut".into() })
            }
        }
    }

    fn subscriptions(&self) -> &dyn SubscriptionStore {
        &self.subscriptions
    }
}
