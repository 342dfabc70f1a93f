//! The store as the rest of the framework sees it: one tenant, upcasters under every read, one codec, one clock.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::message::{
    Chains, Clock, Decode, Parts, Payloads, Position, RecordedEvent, StreamId, Timestamp, UpcastError, Version,
};

use super::append::{Append, Appended};
use super::criteria::{Criteria, Criterion};
use super::error::{AppendError, ReadError};
use super::exchange::Export;
use super::fold::{Fold, FoldError, Folded};
use super::handle::StreamHandle;
use super::passes::Passes;
use super::read::{Page, Read};
use super::reader::Reader;
use super::records::ViewId;
use super::transaction::StoreTransaction;
use super::{SharedStore, Store};

/// Reads and appends for one tenant. Cheap to clone.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    store: SharedStore,
    chains: Chains,
    passes: Passes,
    payloads: Payloads,
    clock: Arc<dyn Clock>,
    tenant: String,
    /// Raised when something was stored that is to be sent.
    scheduled: Arc<Notify>,
}

/// Why a stored event could not be prepared for a handler.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// An upcaster failed.
    #[error(transparent)]
    Upcast(#[from] UpcastError),
    /// What earlier events of the stream have left for its upcaster could not be read. The call can be repeated.
    #[error("the earlier events of the stream cannot be read")]
    Read(#[from] ReadError),
}

impl Journal {
    pub(crate) fn new(
        store: SharedStore,
        chains: Chains,
        payloads: Payloads,
        clock: Arc<dyn Clock>,
        tenant: String,
    ) -> Self {
        let scheduled = Arc::default();
        Self(Arc::new(Inner { store, chains, passes: Passes::default(), payloads, clock, tenant, scheduled }))
    }

    /// The backend.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    /// The codec.
    #[must_use]
    pub fn payloads(&self) -> &Payloads {
        &self.0.payloads
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Whose data is read and written.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.0.tenant
    }

    /// Raised when something was stored that is to be sent later.
    pub(crate) fn scheduled(&self) -> &Arc<Notify> {
        &self.0.scheduled
    }

    /// The upcasters of events, commands and snapshots.
    pub(crate) fn chains(&self) -> &Chains {
        &self.0.chains
    }

    /// Prepares `event` for handlers: one part, unless upcasters turned it into several or none. Where its upcaster asks for
    /// what earlier events of the stream have left, and they were not decoded just before, they are read.
    ///
    /// # Errors
    /// When an upcaster fails, or earlier events that it asks for cannot be read.
    pub async fn decode<'a>(&'a self, event: &'a RecordedEvent) -> Result<Parts<'a>, DecodeError> {
        let Inner { store, chains, passes, payloads, tenant, .. } = &*self.0;
        passes.lift(&**store, &chains.events, payloads, tenant, event).await
    }

    /// Reads one page.
    ///
    /// # Errors
    /// As [`super::EventStore::read`].
    pub async fn read(&self, mut read: Read) -> Result<Page, ReadError> {
        self.address(&mut read);
        self.0.store.read(&read).await
    }

    /// Reads everything that `read` asks for, page after page, the next one ahead.
    #[must_use]
    pub fn reader(&self, mut read: Read) -> Reader {
        self.address(&mut read);
        Reader::new(Arc::clone(&self.0.store), read)
    }

    /// Hands every event that `read` asks for to `each`, in order, part by part where upcasters split it, decoded straight from the bytes of a page while the
    /// next page is read. Of an event nothing is loaded but its name, revision and payload, unless an upcaster lifts it.
    ///
    /// `names` are the current names of the events that are expected, as far as that is known: a hint, which spares a read
    /// where upcasters lift them. After its first page, for which the limit of `read` holds, the fold finds the size of its
    /// pages by itself.
    ///
    /// # Errors
    /// When the events cannot be read, or when an upcaster or `each` refuses one; the rest is then not read.
    pub async fn fold<E>(
        &self,
        mut read: Read,
        names: &[&'static str],
        each: impl FnMut(Decode<'_>) -> Result<(), E> + Send,
    ) -> Result<Folded, FoldError<E>>
    where
        E: std::error::Error + From<UpcastError> + 'static,
    {
        let wanted = read.criteria.clone();
        self.address(&mut read);
        let Inner { store, chains: Chains { events: upcasters, .. }, passes, payloads, .. } = &*self.0;
        let (store, folded) = (Arc::clone(store), Folded::default());
        let fold = Fold { store, upcasters, passes, payloads, folded, wanted, pass: None };
        fold.run(read, upcasters.lift_any_of(names), each).await
    }

    /// How many events `read` asks for.
    ///
    /// # Errors
    /// As [`super::EventStore::count`].
    pub async fn count(&self, mut read: Read) -> Result<u64, ReadError> {
        self.address(&mut read);
        self.0.store.count(&read).await
    }

    /// Whether there is any event that `read` asks for.
    ///
    /// # Errors
    /// As [`super::EventStore::exists`].
    pub async fn exists(&self, mut read: Read) -> Result<bool, ReadError> {
        self.address(&mut read);
        self.0.store.exists(&read).await
    }

    /// The first event that `read` asks for, in its direction.
    ///
    /// # Errors
    /// As [`super::EventStore::first`].
    pub async fn first(&self, mut read: Read) -> Result<Option<RecordedEvent>, ReadError> {
        self.address(&mut read);
        self.0.store.first(&read).await
    }

    /// An export of this tenant's events, each as its upcasters lift it (guarantee 10).
    pub fn export(&self) -> Export {
        let Inner { store, chains, payloads, tenant, .. } = &*self.0;
        Export::of(Arc::clone(store)).tenant(tenant.as_str()).lifted(chains.events.clone(), payloads.clone())
    }

    /// The stream, to look at and to change its life.
    pub fn stream(&self, stream: StreamId) -> StreamHandle {
        StreamHandle::new(Arc::clone(&self.0.store), self.0.tenant.clone(), stream)
    }

    /// Has `read` ask for this tenant's events, under every name that they are stored with.
    fn address(&self, read: &mut Read) {
        read.tenant.clone_from(&self.0.tenant);
        read.criteria = read.criteria.take().map(|criteria| self.stored(&criteria));
    }

    /// Appends.
    ///
    /// # Errors
    /// As [`super::EventStore::append`].
    pub fn append(&self, append: Append) -> impl Future<Output = Result<Appended, AppendError>> + Send + '_ {
        // Not an `async fn`, which would keep the append in its own future as well.
        let schedules = !append.effects.is_empty();
        let appending = self.0.store.append(self.own(append));
        async move {
            let appended = appending.await;
            if schedules {
                self.0.scheduled.notify_one();
            }
            appended
        }
    }

    /// Commits `transaction` together with `append`.
    ///
    /// # Errors
    /// As [`StoreTransaction::commit_with`].
    pub(crate) async fn commit_with(
        &self,
        transaction: Box<dyn StoreTransaction>,
        append: Append,
    ) -> Result<Appended, AppendError> {
        let schedules = !append.effects.is_empty();
        let appended = transaction.commit_with(self.own(append)).await;
        if schedules {
            self.0.scheduled.notify_one();
        }
        appended
    }

    /// `append` for this tenant, in the names under which events are stored.
    fn own(&self, mut append: Append) -> Append {
        append.tenant.clone_from(&self.0.tenant);
        for effect in append.effects.iter_mut().filter_map(|write| write.effect.as_mut()) {
            effect.tenant.clone_from(&self.0.tenant);
        }
        if let Some(condition) = &mut append.condition {
            condition.criteria = self.stored(&condition.criteria);
        }
        append
    }

    /// The newest version of `stream`.
    ///
    /// # Errors
    /// As [`super::EventStore::stream_head`].
    pub async fn stream_head(&self, stream: &StreamId) -> Result<Option<Version>, ReadError> {
        self.0.store.stream_head(&self.0.tenant, stream).await
    }

    /// Reads the event at `position`.
    ///
    /// # Errors
    /// As [`super::EventStore::read`].
    pub async fn event_at(&self, position: Position) -> Result<Option<RecordedEvent>, ReadError> {
        let before = Position::new(position.get().saturating_sub(1));
        let page = self.read(Read::all(before).limit(1)).await?;
        Ok(page.events.into_iter().find(|event| event.recorded.position == position))
    }

    /// Criteria for all events with any of `names`.
    #[must_use]
    pub fn named(names: &[&'static str]) -> Criteria {
        Criteria::from(Criterion::names(names.iter().copied()))
    }

    pub(crate) fn view_id(&self, name: &str, version: u32) -> ViewId {
        ViewId { tenant: self.0.tenant.clone(), name: name.to_owned(), version }
    }

    /// `criteria` with every name under which such events are stored.
    fn stored(&self, criteria: &Criteria) -> Criteria {
        criteria.with_stored_names(|name| self.0.chains.events.stored_names(name))
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("store", &self.0.store.address())
            .field("tenant", &self.0.tenant)
            .finish_non_exhaustive()
    }
}
