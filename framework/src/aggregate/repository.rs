//! Loads aggregates: snapshot first, then the events after it.

use std::marker::PhantomData;

use crate::message::{Json, Position, Recorded, RecordedEvent, StreamId, Timestamp, Version};
use crate::store::{Journal, Read, Snapshot};

use super::{Aggregate, LoadError};

/// Loads aggregates of one type.
#[derive(Debug)]
pub struct Repository<A> {
    journal: Journal,
    aggregate: PhantomData<fn() -> A>,
}

/// A state and the place up to which it is built.
#[derive(Debug, Clone)]
pub struct Sourced<A> {
    /// The state.
    pub state: A,
    /// The version of the newest event in it.
    pub version: Version,
    /// The position of that event.
    pub position: Position,
}

/// Up to where a state is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AsOf {
    /// Up to this version, inclusive.
    Version(Version),
    /// Up to this instant, inclusive.
    Time(Timestamp),
}

impl<A: Aggregate> Repository<A> {
    pub(crate) fn new(journal: Journal) -> Self {
        Self { journal, aggregate: PhantomData }
    }

    /// The newest state of the aggregate `id`; `None` when it has no events.
    ///
    /// # Errors
    /// When the events cannot be read or applied.
    pub async fn load(&self, id: &str) -> Result<Option<Sourced<A>>, LoadError> {
        let stream = StreamId::new(A::NAME, id);
        let Some(baseline) = self.snapshot(&stream).await else { return self.replay(id).await };
        // After a database was restored from a copy, a snapshot may tell of events that are no longer there.
        if self.journal.store().head().await? < baseline.position {
            tracing::warn!(%stream, "a snapshot is ahead of the store, and is ignored");
            return self.replay(id).await;
        }
        let after = Some(baseline.version);
        self.fold(Some(baseline), Read::stream(stream, after)).await
    }

    /// The newest state of the aggregate `id` from its events alone.
    pub(crate) async fn replay(&self, id: &str) -> Result<Option<Sourced<A>>, LoadError> {
        self.fold(None, Read::stream(StreamId::new(A::NAME, id), None)).await
    }

    /// The state of the aggregate `id` as it was; `None` when it had no events then.
    ///
    /// # Errors
    /// When the events cannot be read or applied.
    pub async fn load_as_of(&self, id: &str, as_of: AsOf) -> Result<Option<Sourced<A>>, LoadError> {
        let stream = StreamId::new(A::NAME, id);
        match as_of {
            AsOf::Version(version) => self.fold(None, Read::stream(stream, None).up_to_version(version)).await,
            AsOf::Time(until) => self.fold(None, Read::stream(stream, None).until(until)).await,
        }
    }

    /// Everything that happened to the aggregate `id`, oldest first.
    ///
    /// # Errors
    /// When the events cannot be read or lifted by their upcasters.
    pub async fn history(&self, id: &str) -> Result<Vec<HistoryEntry>, LoadError> {
        let stream = StreamId::new(A::NAME, id);
        let mut entries = Vec::new();
        let mut reader = self.journal.reader(Read::stream(stream.clone(), None));
        while let Some(event) = reader.next().await? {
            let entry = self.entry(&event);
            entries.push(entry.map_err(|source| LoadError::Evolve { stream: stream.clone(), source: source.into() })?);
        }
        Ok(entries)
    }

    fn entry(&self, event: &RecordedEvent) -> Result<HistoryEntry, crate::message::UpcastError> {
        let decode = self.journal.decode(event)?;
        let name = decode.name().to_owned();
        Ok(HistoryEntry { recorded: event.recorded.clone(), name, payload: decode.into_json()? })
    }

    /// Keeps `sourced` as a snapshot. A failure is reported to the log and costs nothing but speed (guarantee 9).
    pub(crate) async fn save_snapshot(&self, stream: &StreamId, sourced: &Sourced<A>) {
        let Some(policy) = A::snapshots() else { return };
        let state = match (policy.encode)(&sourced.state, self.journal.payloads()) {
            Ok(state) => state,
            Err(error) => return tracing::warn!(%stream, %error, "a snapshot could not be encoded"),
        };
        let snapshot =
            Snapshot { version: sourced.version, position: sourced.position, schema: policy.schema.to_owned(), state };
        if let Err(error) = self.journal.store().save_snapshot(self.journal.tenant(), stream, snapshot).await {
            tracing::warn!(%stream, %error, "a snapshot could not be kept");
        }
    }

    /// The newest usable snapshot. One that cannot be read is ignored (guarantee 9).
    async fn snapshot(&self, stream: &StreamId) -> Option<Sourced<A>> {
        let policy = A::snapshots()?;
        let found = self.journal.store().snapshot(self.journal.tenant(), stream, policy.schema).await;
        let snapshot = match found {
            Ok(snapshot) => snapshot?,
            Err(error) => {
                tracing::warn!(%stream, %error, "a snapshot could not be read");
                return None;
            }
        };
        match (policy.decode)(&snapshot.state, self.journal.payloads()) {
            Ok(state) => Some(Sourced { state, version: snapshot.version, position: snapshot.position }),
            Err(error) => {
                tracing::warn!(%stream, %error, "a snapshot could not be decoded");
                None
            }
        }
    }

    async fn fold(&self, baseline: Option<Sourced<A>>, read: Read) -> Result<Option<Sourced<A>>, LoadError> {
        let mut reader = self.journal.reader(read);
        let mut sourced = baseline;
        while let Some(page) = reader.next_page().await? {
            for event in &page.events {
                sourced = Some(self.evolve(sourced, event)?);
            }
        }
        Ok(sourced)
    }

    fn evolve(&self, sourced: Option<Sourced<A>>, event: &RecordedEvent) -> Result<Sourced<A>, LoadError> {
        let mut state = sourced.map(|sourced| sourced.state).unwrap_or_default();
        let evolved = self.journal.decode(event).map_err(Into::into).and_then(|decode| state.evolve(decode));
        let Recorded { stream, version, position, .. } = &event.recorded;
        evolved.map_err(|source| LoadError::Evolve { stream: stream.clone(), source })?;
        Ok(Sourced { state, version: *version, position: *position })
    }
}

impl<A> Clone for Repository<A> {
    fn clone(&self) -> Self {
        Self { journal: self.journal.clone(), aggregate: PhantomData }
    }
}

/// One event of an aggregate's past, for people and tools.
#[derive(Debug, Clone)]
pub struct HistoryEntry {
    /// Everything known about the event but its payload.
    pub recorded: Recorded,
    /// The event's current stored name.
    pub name: String,
    /// The payload, lifted by the upcasters.
    pub payload: Json,
}

/// One aggregate, to look at.
#[derive(Debug)]
pub struct AggregateHandle<A> {
    repository: Repository<A>,
    id: String,
}

impl<A: Aggregate> AggregateHandle<A> {
    pub(crate) fn new(repository: Repository<A>, id: String) -> Self {
        Self { repository, id }
    }

    /// The newest state; `None` when the aggregate has no events.
    ///
    /// # Errors
    /// When the events cannot be read or applied.
    pub async fn load(&self) -> Result<Option<Sourced<A>>, LoadError> {
        self.repository.load(&self.id).await
    }

    /// The state as it was; `None` when the aggregate had no events then.
    ///
    /// # Errors
    /// When the events cannot be read or applied.
    pub async fn as_of(&self, as_of: AsOf) -> Result<Option<Sourced<A>>, LoadError> {
        self.repository.load_as_of(&self.id, as_of).await
    }

    /// Everything that happened to it, oldest first.
    ///
    /// # Errors
    /// When the events cannot be read or lifted by their upcasters.
    pub async fn history(&self) -> Result<Vec<HistoryEntry>, LoadError> {
        self.repository.history(&self.id).await
    }
}
