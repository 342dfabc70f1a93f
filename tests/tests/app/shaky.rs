//! A store that fails when a test says so.

use std::any::{Any, TypeId};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals::message::{CommandId, Position, StreamId, Timestamp, Version};
use annals::store::records::ViewId;
use annals::store::{
    Append, AppendError, Appended, CommandRecord, DeadLetter, Document, DocumentQuery, Effect, EventStore, Expected,
    FoundDocument, Import, ImportError, Imported, LetterCount, Maintain, MemoryStore, NodeRow, Page, Read, ReadError,
    Scavenged, SegmentRow, Snapshot, Store, StoreError, StoreTransaction, StoredEvent, StreamChange, StreamError,
    StreamInfo, Timer,
};
use async_trait::async_trait;
use tokio::sync::watch;

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

    /// Appends without events have no unknown outcome.
    pub fn sparing_records(self) -> Self {
        Self { spares_records: true, ..self }
    }
}

#[async_trait]
impl EventStore for Shaky {
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

    async fn read(&self, read: &Read) -> Result<Page, ReadError> {
        self.inner.read(read).await
    }

    async fn count(&self, read: &Read) -> Result<u64, ReadError> {
        self.inner.count(read).await
    }

    async fn head(&self) -> Result<Position, ReadError> {
        self.inner.head().await
    }

    async fn stream_head(&self, tenant: &str, stream: &StreamId) -> Result<Option<Version>, ReadError> {
        self.inner.stream_head(tenant, stream).await
    }

    async fn command(&self, tenant: &str, command: CommandId) -> Result<Option<CommandRecord>, ReadError> {
        self.inner.command(tenant, command).await
    }

    fn appended(&self) -> watch::Receiver<Position> {
        self.inner.appended()
    }
}

#[async_trait]
impl Maintain for Shaky {
    async fn stream_info(&self, tenant: &str, stream: &StreamId) -> Result<Option<StreamInfo>, ReadError> {
        self.inner.stream_info(tenant, stream).await
    }

    async fn change_stream(
        &self,
        tenant: &str,
        stream: &StreamId,
        expected: Expected,
        change: StreamChange,
    ) -> Result<StreamInfo, StreamError> {
        self.inner.change_stream(tenant, stream, expected, change).await
    }

    async fn scavenge(&self, now: Timestamp) -> Result<Scavenged, StoreError> {
        self.inner.scavenge(now).await
    }

    async fn export(&self, after: Position, limit: usize) -> Result<Vec<StoredEvent>, ReadError> {
        self.inner.export(after, limit).await
    }

    async fn export_streams(
        &self,
        after: Option<(&str, &StreamId)>,
        limit: usize,
    ) -> Result<Vec<StreamInfo>, ReadError> {
        self.inner.export_streams(after, limit).await
    }

    async fn import(&self, import: Import) -> Result<Imported, ImportError> {
        self.inner.import(import).await
    }

    async fn begin_maintenance(&self) -> Result<Box<dyn StoreTransaction>, StoreError> {
        self.inner.begin_maintenance().await
    }
}

#[async_trait]
impl Store for Shaky {
    async fn begin(&self) -> Result<Box<dyn StoreTransaction>, StoreError> {
        self.inner.begin().await
    }

    async fn join(&self, transaction: Box<dyn Any + Send>) -> Result<Box<dyn StoreTransaction>, StoreError> {
        self.inner.join(transaction).await
    }

    async fn beat(
        &self,
        tenant: &str,
        node: &str,
        name: &str,
        processors: &[String],
        lease: Duration,
    ) -> Result<(), StoreError> {
        self.inner.beat(tenant, node, name, processors, lease).await
    }

    async fn nodes(&self, tenant: &str) -> Result<Vec<NodeRow>, StoreError> {
        self.inner.nodes(tenant).await
    }

    async fn appear(&self, node: &str) -> Result<(), StoreError> {
        self.inner.appear(node).await
    }

    async fn is_gone(&self, node: &str) -> Result<bool, StoreError> {
        self.inner.is_gone(node).await
    }

    async fn leave(&self, tenant: &str, node: &str, clean: bool) -> Result<(), StoreError> {
        self.inner.leave(tenant, node, clean).await
    }

    async fn segments(&self, tenant: &str) -> Result<Vec<SegmentRow>, StoreError> {
        self.inner.segments(tenant).await
    }

    async fn segments_of(&self, tenant: &str, processor: &str) -> Result<Vec<SegmentRow>, StoreError> {
        self.inner.segments_of(tenant, processor).await
    }

    async fn token(&self, tenant: &str, name: &str) -> Result<Option<Position>, StoreError> {
        self.inner.token(tenant, name).await
    }

    async fn snapshot(&self, tenant: &str, stream: &StreamId, schema: &str) -> Result<Option<Snapshot>, StoreError> {
        self.inner.snapshot(tenant, stream, schema).await
    }

    async fn snapshot_schemas(&self, tenant: &str, stream: &StreamId) -> Result<Vec<String>, StoreError> {
        self.inner.snapshot_schemas(tenant, stream).await
    }

    async fn save_snapshot(&self, tenant: &str, stream: &StreamId, snapshot: Snapshot) -> Result<(), StoreError> {
        self.inner.save_snapshot(tenant, stream, snapshot).await
    }

    async fn documents(&self, view: &ViewId, keys: &[String]) -> Result<Vec<Document>, StoreError> {
        self.inner.documents(view, keys).await
    }

    async fn scan_documents(
        &self,
        view: &ViewId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        self.inner.scan_documents(view, after, limit).await
    }

    async fn find_documents(&self, query: &DocumentQuery) -> Result<Vec<FoundDocument>, StoreError> {
        self.inner.find_documents(query).await
    }

    async fn count_documents(&self, query: &DocumentQuery) -> Result<u64, StoreError> {
        self.inner.count_documents(query).await
    }

    async fn due_effects(
        &self,
        tenant: &str,
        saga: &str,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Effect>, StoreError> {
        self.inner.due_effects(tenant, saga, now, limit).await
    }

    async fn next_effect(&self, tenant: &str, saga: &str) -> Result<Option<Timestamp>, StoreError> {
        self.inner.next_effect(tenant, saga).await
    }

    async fn open_effects(&self, tenant: &str, saga: &str, limit: usize) -> Result<Vec<Effect>, StoreError> {
        self.inner.open_effects(tenant, saga, limit).await
    }

    async fn due_timers(
        &self,
        tenant: &str,
        saga: &str,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Timer>, StoreError> {
        self.inner.due_timers(tenant, saga, now, limit).await
    }

    async fn next_timer(&self, tenant: &str, saga: &str) -> Result<Option<Timestamp>, StoreError> {
        self.inner.next_timer(tenant, saga).await
    }

    async fn dead_letters(
        &self,
        tenant: &str,
        processor: &str,
        after: (Position, u32),
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.inner.dead_letters(tenant, processor, after, limit).await
    }

    async fn letter_count(&self, tenant: &str, processor: &str) -> Result<LetterCount, StoreError> {
        self.inner.letter_count(tenant, processor).await
    }

    async fn due_letters(
        &self,
        tenant: &str,
        processor: &str,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.inner.due_letters(tenant, processor, now, limit).await
    }

    async fn next_letter(&self, tenant: &str, processor: &str) -> Result<Option<Timestamp>, StoreError> {
        self.inner.next_letter(tenant, processor).await
    }

    async fn letter_of_stream(
        &self,
        tenant: &str,
        processor: &str,
        stream: &StreamId,
        until: Position,
    ) -> Result<Option<DeadLetter>, StoreError> {
        self.inner.letter_of_stream(tenant, processor, stream, until).await
    }

    async fn forget_commands(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.inner.forget_commands(before).await
    }

    fn subscriptions(&self) -> &dyn annals::store::subscriptions::SubscriptionStore {
        &self.subscriptions
    }

    fn transaction_type(&self) -> TypeId {
        self.inner.transaction_type()
    }

    fn address(&self) -> String {
        self.inner.address()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
