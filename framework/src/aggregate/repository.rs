//! Loads aggregates: snapshot first, then the events after it.

use std::any::type_name;
use std::sync::Arc;

use crate::handler::error::chain;
use crate::handler::panic_message;
use crate::message::{CodecError, Decode, Json, Position, Recorded, RecordedEvent, StreamId, Timestamp, Version};
use crate::store::{DecodeError, FoldError, Journal, Read, Snapshot, SnapshotWrite, StoreError};

use super::snapshot::revision_of;
use super::stored::StoredState;
use super::{Aggregate, Lifecycle, LoadError, SnapshotError, SnapshotPolicy, Snapshots};

/// Loads aggregates of one type.
#[derive(Debug)]
pub struct Repository<A> {
    journal: Journal,
    /// How states are stored, and when; `None` where they cannot be.
    snapshots: Option<Arc<Snapshots<A>>>,
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
    /// Whether the aggregate goes on, or that event was its last.
    pub lifecycle: Lifecycle,
}

/// Up to where a state is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AsOf {
    /// Up to this version, inclusive.
    Version(Version),
    /// Up to this global position, inclusive.
    Position(Position),
    /// Up to this instant, inclusive.
    Time(Timestamp),
}

impl<A: Aggregate> Repository<A> {
    pub(crate) fn new(journal: Journal) -> Self {
        Self { journal, snapshots: A::snapshots().map(Arc::new) }
    }

    /// Replaces the aggregate's own policy by that of the application.
    pub(crate) fn with_policy(mut self, policy: Option<&SnapshotPolicy>) -> Self {
        if let (Some(snapshots), Some(policy)) = (&mut self.snapshots, policy) {
            Arc::make_mut(snapshots).policy = policy.clone();
        }
        self
    }

    /// When snapshots are made; `None` where states cannot be stored.
    pub(crate) fn policy(&self) -> Option<&SnapshotPolicy> {
        self.snapshots.as_ref().map(|snapshots| &snapshots.policy)
    }

    /// The newest state of the aggregate `id`; `None` when it has no events.
    ///
    /// # Errors
    /// When the events cannot be read or applied.
    pub async fn load(&self, id: &str) -> Result<Option<Sourced<A>>, LoadError> {
        let stream = StreamId::new(A::NAME, id);
        if let Some(rows) = A::stored() {
            return self.row(&rows, &stream).await;
        }
        let baseline = self.baseline(&stream).await;
        self.load_on(baseline, &stream).await
    }

    /// The state of an aggregate that is stored as a row.
    async fn row(&self, rows: &StoredState<A>, stream: &StreamId) -> Result<Option<Sourced<A>>, LoadError> {
        let Some(sourced) = rows.read(&self.journal, stream).await?.sourced else { return Ok(None) };
        let position = self.journal.store().head().await?;
        Ok(Some(Sourced { position, ..sourced }))
    }

    /// The newest state of the aggregate behind `stream`: `baseline` with the events after it.
    pub(crate) async fn load_on(
        &self,
        baseline: Option<Sourced<A>>,
        stream: &StreamId,
    ) -> Result<Option<Sourced<A>>, LoadError> {
        let of = |after| Read::stream(stream.clone(), after);
        if let Some(baseline) = baseline {
            let (position, after) = (baseline.position, Some(baseline.version));
            let (sourced, head) = self.fold(stream, Some(baseline), of(after)).await?;
            if head >= position {
                return Ok(sourced);
            }
            // After a database was restored from a copy, a snapshot may tell of events that are no longer there.
            tracing::warn!(%stream, "a snapshot is ahead of the store, and is ignored");
        }
        Ok(self.fold(stream, None, of(None)).await?.0)
    }

    /// The state of the aggregate `id` as it was; `None` when it had no events then.
    ///
    /// # Errors
    /// When the events cannot be read or applied.
    pub async fn load_as_of(&self, id: &str, as_of: AsOf) -> Result<Option<Sourced<A>>, LoadError> {
        let stream = StreamId::new(A::NAME, id);
        let read = Read::stream(stream.clone(), None);
        if A::stored().is_some() {
            return Err(LoadError::NoPast { aggregate: A::NAME });
        }
        let read = match as_of {
            AsOf::Version(version) => read.up_to_version(version),
            AsOf::Position(position) => match self.version_at(&stream, position).await? {
                Some(version) => read.up_to_version(version),
                None => return Ok(None),
            },
            AsOf::Time(until) => read.until(until),
        };
        Ok(self.fold(&stream, None, read).await?.0)
    }

    /// The newest version of `stream` up to `position`; `None` where it had no events then.
    async fn version_at(&self, stream: &StreamId, position: Position) -> Result<Option<Version>, LoadError> {
        let read = Read::stream(stream.clone(), None).backward().without_payloads();
        let mut reader = self.journal.reader(read);
        while let Some(event) = reader.next().await? {
            if event.recorded.position <= position {
                return Ok(Some(event.recorded.version));
            }
        }
        Ok(None)
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
            match self.entries(&event).await {
                Ok(parts) => entries.extend(parts),
                Err(DecodeError::Read(error)) => return Err(error.into()),
                Err(DecodeError::Upcast(error)) => return Err(LoadError::Evolve { stream, source: error.into() }),
            }
        }
        Ok(entries)
    }

    async fn entries(&self, event: &RecordedEvent) -> Result<Vec<HistoryEntry>, DecodeError> {
        let entry = |part: Decode<'_>| {
            let name = part.name().to_owned();
            Ok(HistoryEntry { recorded: event.recorded.clone(), name, payload: part.into_json()? })
        };
        self.journal.decode(event).await?.map(entry).collect()
    }

    /// A snapshot of `state`, to be written with the append that brings `stream` to `version`. `None` where it cannot be
    /// encoded: that is reported to the log and costs nothing but speed (guarantee 9).
    pub(crate) fn snapshot_write(&self, stream: &StreamId, version: Version, state: &A) -> Option<SnapshotWrite> {
        let snapshots = self.snapshots.as_ref()?;
        match self.encoded(snapshots, state) {
            Ok(state) => {
                Some(SnapshotWrite { stream: stream.clone(), version, schema: snapshots.schema.to_owned(), state })
            }
            Err(error) => {
                tracing::warn!(%stream, %error, "a snapshot could not be encoded");
                None
            }
        }
    }

    /// Keeps `sourced` as a snapshot. A failure is reported to the log and costs nothing but speed (guarantee 9).
    pub(crate) async fn save_snapshot(&self, stream: &StreamId, sourced: &Sourced<A>) {
        let Some(write) = self.snapshot_write(stream, sourced.version, &sourced.state) else { return };
        if let Err(error) = self.save(write, sourced.position).await {
            tracing::warn!(%stream, %error, "a snapshot could not be kept");
        }
    }

    /// Keeps the newest state of the aggregate `id` as a snapshot.
    async fn make_snapshot(&self, id: &str) -> Result<Option<Version>, SnapshotError> {
        let aggregate = type_name::<A>();
        let snapshots = self.snapshots.as_ref().ok_or(SnapshotError::NoSnapshots { aggregate })?;
        let Some(Sourced { state, version, position, lifecycle }) = self.load(id).await? else { return Ok(None) };
        if lifecycle == Lifecycle::End {
            return Ok(None);
        }
        let state = snapshots.encode(&state, self.journal.payloads());
        let state = state.map_err(|source| SnapshotError::Codec { aggregate, source })?;
        let (stream, schema) = (StreamId::new(A::NAME, id), snapshots.schema.to_owned());
        self.save(SnapshotWrite { stream, version, schema, state }, position).await?;
        Ok(Some(version))
    }

    /// The state in the codec. What a user's code does when it is written must not fail a command.
    fn encoded(&self, snapshots: &Snapshots<A>, state: &A) -> Result<Vec<u8>, CodecError> {
        let encode = || snapshots.encode(state, self.journal.payloads());
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(encode))
            .unwrap_or_else(|panic| Err(CodecError::new(panic_message(&*panic))))
    }

    async fn save(&self, write: SnapshotWrite, position: Position) -> Result<(), StoreError> {
        let SnapshotWrite { stream, version, schema, state } = write;
        let snapshot = Snapshot { version, position, schema, state };
        self.journal.store().save_snapshot(self.journal.tenant(), &stream, snapshot).await
    }

    /// The state to begin with: that of the newest usable snapshot. One that cannot be read is ignored (guarantee 9).
    pub(crate) async fn baseline(&self, stream: &StreamId) -> Option<Sourced<A>> {
        let snapshots = self.snapshots.as_ref()?;
        let found = self.journal.store().snapshot(self.journal.tenant(), stream, snapshots.schema).await;
        let snapshot = match found {
            Ok(Some(snapshot)) => snapshot,
            Ok(None) => return self.lifted_baseline(snapshots, stream).await,
            Err(error) => {
                tracing::warn!(%stream, %error, "a snapshot could not be read");
                return None;
            }
        };
        match snapshots.decode(&snapshot.state, self.journal.payloads()) {
            Ok(state) => {
                let (version, position) = (snapshot.version, snapshot.position);
                // No snapshot is kept of what has ended.
                Some(Sourced { state, version, position, lifecycle: Lifecycle::Keep })
            }
            Err(error) => {
                tracing::warn!(%stream, %error, "a snapshot could not be decoded");
                None
            }
        }
    }

    /// The state of the newest snapshot that upcasters lift to the revision of today.
    async fn lifted_baseline(&self, snapshots: &Snapshots<A>, stream: &StreamId) -> Option<Sourced<A>> {
        let upcasters = &self.journal.chains().snapshots;
        let lifts = |schema: &String| revision_of(schema).is_some_and(|revision| upcasters.lifts(A::NAME, revision));
        if !upcasters.lift_any_of(&[A::NAME]) {
            return None;
        }
        let (store, tenant) = (self.journal.store(), self.journal.tenant());
        let found = async {
            match store.snapshot_schemas(tenant, stream).await?.iter().find(|schema| lifts(schema)) {
                Some(schema) => store.snapshot(tenant, stream, schema).await,
                None => Ok(None),
            }
        };
        let snapshot = match found.await {
            Ok(snapshot) => snapshot?,
            Err(error) => {
                tracing::warn!(%stream, %error, "a snapshot could not be read");
                return None;
            }
        };
        let revision = revision_of(&snapshot.schema)?;
        let lift = || upcasters.lift_one(A::NAME, revision, &snapshot.state, self.journal.payloads());
        // What a user's code does with an old state must not fail a command.
        let lifted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(lift));
        let lifted = lifted.map_err(|panic| panic_message(&*panic)).and_then(|lifted| {
            let lifted = lifted.map_err(|error| chain(&error))?.ok_or("no upcaster lifts it")?;
            if Some(lifted.at.revision) != snapshots.revision() {
                return Err(format!("its upcasters end at revision {}", lifted.at.revision));
            }
            let state = self.journal.payloads().encode_document(&lifted.payload).map_err(|error| error.to_string())?;
            snapshots.decode(&state, self.journal.payloads()).map_err(|error| error.to_string())
        });
        match lifted {
            Ok(state) => {
                let (version, position) = (snapshot.version, snapshot.position);
                Some(Sourced { state, version, position, lifecycle: Lifecycle::Keep })
            }
            Err(error) => {
                tracing::warn!(%stream, revision, error, "a snapshot could not be lifted");
                None
            }
        }
    }

    /// `baseline` with the events of `read`, and the head of the store.
    async fn fold(
        &self,
        stream: &StreamId,
        baseline: Option<Sourced<A>>,
        read: Read,
    ) -> Result<(Option<Sourced<A>>, Position), LoadError> {
        let (mut state, before) = match baseline {
            Some(Sourced { state, version, position, .. }) => (state, Some((version, position))),
            None => (A::default(), None),
        };
        let mut lifecycle = Lifecycle::Keep;
        let evolve = |event: Decode<'_>| state.evolve(event).map(|after| lifecycle = after);
        let folded = self.journal.fold(read, A::EVENTS, evolve).await;
        let folded = folded.map_err(|error| match error {
            FoldError::Read(error) => error.into(),
            FoldError::Event { source, .. } => LoadError::Evolve { stream: stream.clone(), source },
        })?;
        let last = Version::new(folded.place).map(|version| (version, folded.newest));
        let sourced = last.or(before).map(|(version, position)| Sourced { state, version, position, lifecycle });
        Ok((sourced, folded.head))
    }
}

impl<A> Clone for Repository<A> {
    fn clone(&self) -> Self {
        Self { journal: self.journal.clone(), snapshots: self.snapshots.clone() }
    }
}

/// One event of an aggregate's past, for people and tools. A stored event that upcasters split has an entry for each part.
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

    /// Keeps the newest state as a snapshot now, whatever the policy says, and gives the version of the newest event in
    /// it; `None` when the aggregate has no events, or has ended.
    ///
    /// ```standalone_crate
    /// # use annals::prelude::*;
    /// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.switched")] struct Switched { on: bool }
    /// #[derive(Aggregate, Serialize, Deserialize, Default, Clone)]
    /// #[aggregate(name = "lamp", snapshot)]
    /// struct Lamp { on: bool }
    ///
    /// # #[event_sourcing]
    /// # impl Lamp {
    /// #     #[apply] fn switched(&mut self, event: &Switched) { self.on = event.on; }
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let app = Annals::open("memory:").await.unwrap();
    /// let version = app.aggregate::<Lamp>("hall").snapshot().await.unwrap();
    /// assert_eq!(version, None, "the lamp has no events");
    /// # app.shutdown().await.unwrap();
    /// # });
    /// ```
    ///
    /// # Errors
    /// [`SnapshotError::NoSnapshots`] when `snapshot` is missing in the aggregate's attribute; the other variants when the
    /// state cannot be loaded or encoded, or when the store does not keep it.
    pub async fn snapshot(&self) -> Result<Option<Version>, SnapshotError> {
        self.repository.make_snapshot(&self.id).await
    }
}
