//! The store as the rest of the framework sees it: one tenant, upcasters under every read, one codec, one clock.

use std::sync::Arc;

use crate::message::{
    Clock, Decode, Payloads, Position, RecordedEvent, StreamId, Timestamp, UpcastError, Upcasters, Version,
};

use super::append::{Append, Appended};
use super::criteria::{Criteria, Criterion};
use super::error::{AppendError, ReadError};
use super::exchange::Export;
use super::handle::StreamHandle;
use super::read::{Page, Read};
use super::reader::Reader;
use super::records::ViewId;
use super::{SharedStore, Store};

/// Reads and appends for one tenant. Cheap to clone.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    store: SharedStore,
    upcasters: Upcasters,
    payloads: Payloads,
    clock: Arc<dyn Clock>,
    tenant: String,
}

impl Journal {
    pub(crate) fn new(
        store: SharedStore,
        upcasters: Upcasters,
        payloads: Payloads,
        clock: Arc<dyn Clock>,
        tenant: String,
    ) -> Self {
        Self(Arc::new(Inner { store, upcasters, payloads, clock, tenant }))
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

    /// Prepares `event` for a handler.
    ///
    /// # Errors
    /// When an upcaster fails.
    pub fn decode<'a>(&'a self, event: &'a RecordedEvent) -> Result<Decode<'a>, UpcastError> {
        Decode::new(event, &self.0.upcasters, &self.0.payloads)
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
        let Inner { store, upcasters, payloads, tenant, .. } = &*self.0;
        Export::of(Arc::clone(store)).tenant(tenant.as_str()).lifted(upcasters.clone(), payloads.clone())
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
    pub async fn append(&self, mut append: Append) -> Result<Appended, AppendError> {
        append.tenant.clone_from(&self.0.tenant);
        if let Some(condition) = &mut append.condition {
            condition.criteria = self.stored(&condition.criteria);
        }
        self.0.store.append(append).await
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
        criteria.with_stored_names(|name| self.0.upcasters.stored_names(name))
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
