//! The application: opens a store, discovers what is annotated, and runs it.

mod builder;
mod error;

pub use builder::Builder;
pub use error::{Error, Result, SettleError, StartError};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::aggregate::{Aggregate, AggregateHandle, Repository};
use crate::command::{CommandBus, Gateway, SendCall};
use crate::message::{Command, Position, Query, StreamId};
use crate::processor::{Processors, ProcessorsHandle};
use crate::query::{QueryBus, QueryCall};
use crate::saga::SagasHandle;
use crate::store::{Export, Journal, Scavenged, SharedStore, StoreError, StreamHandle};
use crate::view::{ViewAccess, ViewHandlers, Views};

/// Records looked at to see whether work is left.
const MANY: usize = 100_000;

/// A running application. Cheap to clone; [`Annals::shutdown`] ends it.
#[derive(Clone)]
pub struct Annals {
    inner: Arc<Inner>,
}

struct Inner {
    store: SharedStore,
    /// Whether the store was opened here; whoever opened it closes it.
    owns_store: bool,
    journal: Journal,
    gateway: Gateway,
    /// Keeps the bus alive: the gateways of handlers only refer to it.
    _commands: Arc<CommandBus>,
    queries: Arc<QueryBus>,
    processors: Processors,
    views: ViewAccess,
    /// Stored names of the sagas.
    sagas: Vec<&'static str>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Annals {
    /// Opens the store at `url` and runs everything that is annotated in the linked crates. See [`crate::store::open`]
    /// for the addresses.
    ///
    /// # Errors
    /// [`StartError::Store`] when the store cannot be opened, [`StartError::Problems`] with everything that is wrong
    /// with what is declared.
    pub async fn open(url: &str) -> std::result::Result<Self, StartError> {
        Self::builder().store(url).start().await
    }

    /// Does what [`Annals::open`] does, with other settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Sends `command`; await the call. The reply comes with the version of the target and the global position.
    ///
    /// # Errors
    /// [`SendError::Rejected`](crate::SendError::Rejected) with the domain's error,
    /// [`SendError::Failed`](crate::SendError::Failed) when the machinery failed.
    pub fn send<C: Command>(&self, command: C) -> SendCall<C> {
        self.inner.gateway.send(command)
    }

    /// Asks `query`; await the call. With `.after(&sent)` the answer includes what was sent.
    ///
    /// # Errors
    /// [`QueryError`](crate::QueryError).
    pub fn query<Q: Query>(&self, query: Q) -> QueryCall<Q> {
        self.inner.queries.ask(query)
    }

    /// The documents of the view `V`.
    pub fn view<V: ViewHandlers>(&self) -> Views<V> {
        Views::new(self.inner.views.clone())
    }

    /// The aggregate with this id, to look at: its state now or in the past, and its history.
    pub fn aggregate<A: Aggregate>(&self, id: impl ToString) -> AggregateHandle<A> {
        AggregateHandle::new(Repository::new(self.inner.journal.clone()), id.to_string())
    }

    /// Sends commands, to hand to other parts of the program.
    #[must_use]
    pub fn gateway(&self) -> Gateway {
        self.inner.gateway.clone()
    }

    /// The processors: how they are doing, their dead letters, replays.
    #[must_use]
    pub fn processors(&self) -> ProcessorsHandle {
        ProcessorsHandle::new(self.inner.processors.clone(), self.inner.journal.clone())
    }

    /// The sagas: their commands that need attention.
    #[must_use]
    pub fn sagas(&self) -> SagasHandle {
        SagasHandle::new(self.inner.journal.clone(), self.inner.sagas.clone())
    }

    /// A stream, to look at and to change its life: delete, truncate, archive.
    ///
    /// ```standalone_crate
    /// # use annals::prelude::*;
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let app = Annals::open("memory:").await.unwrap();
    /// let stream = app.stream(StreamId::new("order", "o-1"));
    /// assert!(stream.info().await.unwrap().is_none(), "it has no events yet");
    /// # app.shutdown().await.unwrap();
    /// # });
    /// ```
    pub fn stream(&self, stream: StreamId) -> StreamHandle {
        self.inner.journal.stream(stream)
    }

    /// Removes the events that nobody sees any more, of all tenants; see [`Maintain::scavenge`](crate::store::Maintain::scavenge).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn scavenge(&self) -> std::result::Result<Scavenged, StoreError> {
        self.inner.store.scavenge(self.inner.journal.now()).await
    }

    /// An export of this tenant's events as JSON lines, each as its upcasters lift it. For a copy of the whole store as
    /// it is, see [`Export::of`].
    pub fn export(&self) -> Export {
        self.inner.journal.export()
    }

    /// The store with its upcasters and codec.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.inner.journal
    }

    /// Waits until nothing is left to do: every processor has handled every event, every command of a saga has been
    /// answered, every deadline that is due has fired, and no dead letter waits for another attempt. Deadlines that lie
    /// ahead are not waited for, nor is what needs attention (parked letters and commands).
    ///
    /// # Errors
    /// [`SettleError::Busy`] says what is left when `timeout` is over.
    pub async fn settled(&self, timeout: Duration) -> std::result::Result<(), SettleError> {
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            let before = self.inner.store.head().await?;
            let left = match self.unsettled(before).await? {
                Some(left) => left,
                // Something may have been appended while the sagas were looked at.
                None if self.inner.store.head().await? == before => return Ok(()),
                None => "events were appended meanwhile".to_owned(),
            };
            if tokio::time::Instant::now() >= deadline {
                return Err(SettleError::Busy { left });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What is left to do for the events up to `head`.
    async fn unsettled(&self, head: Position) -> std::result::Result<Option<String>, SettleError> {
        let tenant = self.inner.journal.tenant();
        for (name, progress) in self.inner.processors.iter() {
            let mut reached = *progress.position.borrow();
            if reached < head {
                reached = reached.max(self.inner.store.token(tenant, name).await?.unwrap_or_default());
            }
            if reached < head {
                return Ok(Some(format!("processor `{name}` is at {reached} of {head}")));
            }
            let letters = self.inner.store.dead_letters(tenant, name, MANY).await?;
            let blocked: std::collections::BTreeSet<&str> = letters
                .iter()
                .filter(|letter| letter.state == crate::store::LetterState::Parked)
                .map(|letter| letter.sequence.as_str())
                .collect();
            if letters.iter().any(|letter| !blocked.contains(letter.sequence.as_str())) {
                return Ok(Some(format!("processor `{name}` tries a failed event again")));
            }
        }
        let now = self.inner.journal.now();
        for saga in &self.inner.sagas {
            // In this order: a deadline that fires turns into commands.
            if let Some(timer) = self.inner.store.due_timers(tenant, saga, now, 1).await?.first() {
                return Ok(Some(format!("the deadline `{}` of saga `{saga}` is due", timer.name)));
            }
            let open = self.inner.store.open_effects(tenant, saga, MANY).await?;
            let parked: std::collections::BTreeSet<_> =
                open.iter().filter(|effect| effect.parked.is_some()).map(|effect| effect.saga_id).collect();
            if let Some(effect) = open.iter().find(|effect| !parked.contains(&effect.saga_id)) {
                return Ok(Some(format!("saga `{saga}` waits for the answer to `{}`", effect.name)));
            }
        }
        Ok(None)
    }

    /// Takes no more work, lets what is under way end, and closes the store, unless it was given as opened.
    ///
    /// # Errors
    /// None at present; a store that cannot be closed cleanly may report it here.
    pub async fn shutdown(self) -> Result<()> {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        if self.inner.owns_store {
            self.inner.store.close().await;
        }
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Annals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Annals").field("store", &self.inner.store.address()).finish_non_exhaustive()
    }
}
