//! Stores around other stores, for tests that change one thing about them.

use std::any::{Any, TypeId};
use std::time::Duration;

use annals::handler::Resources;
use annals::message::{CommandId, Position, SagaId, StreamId, Timestamp, Version};
use annals::store::records::ViewId;
use annals::store::subscriptions::SubscriptionStore;
use annals::store::{
    Advance, Append, AppendError, Appended, Association, Claim, CommandRecord, DeadLetter, Document, DocumentChange,
    DocumentQuery, Effect, EventStore, Expected, FoundDocument, HistoryRow, Import, ImportError, Imported, LetterCount,
    Maintain, NodeRow, Page, Read, ReadError, SagaRow, SagaStore, SagaWrite, Scavenged, SegmentRow, SegmentWrite,
    Snapshot, Store, StoreError, StoreTransaction, StoredEvent, StreamChange, StreamError, StreamInfo, Timer,
};
use async_trait::async_trait;
use tokio::sync::watch;

/// What is different about a store; everything else is passed on to the one inside.
#[async_trait]
pub trait Wrapper: Send + Sync + 'static {
    /// The store inside.
    fn inner(&self) -> &dyn Store;

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.inner().append(append).await
    }

    async fn begin(&self) -> Result<Box<dyn StoreTransaction>, StoreError> {
        self.inner().begin().await
    }

    fn subscriptions(&self) -> &dyn SubscriptionStore {
        self.inner().subscriptions()
    }
}

/// The store that a [`Wrapper`] makes of the one inside.
#[derive(Debug)]
pub struct Wrapped<W>(pub W);

/// Called around each commit of a transaction.
pub trait AtCommit: Send + 'static {
    fn before(&self);
    fn behind(&self);
}

/// A transaction that tells of its commit.
pub struct WrappedTransaction<C> {
    pub inner: Box<dyn StoreTransaction>,
    pub at_commit: C,
}

#[async_trait]
impl<W: Wrapper> EventStore for Wrapped<W> {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.0.append(append).await
    }

    async fn read(&self, read: &Read) -> Result<Page, ReadError> {
        self.0.inner().read(read).await
    }

    async fn count(&self, read: &Read) -> Result<u64, ReadError> {
        self.0.inner().count(read).await
    }

    async fn head(&self) -> Result<Position, ReadError> {
        self.0.inner().head().await
    }

    async fn stream_head(&self, tenant: &str, stream: &StreamId) -> Result<Option<Version>, ReadError> {
        self.0.inner().stream_head(tenant, stream).await
    }

    async fn command(&self, tenant: &str, command: CommandId) -> Result<Option<CommandRecord>, ReadError> {
        self.0.inner().command(tenant, command).await
    }

    fn appended(&self) -> watch::Receiver<Position> {
        self.0.inner().appended()
    }
}

#[async_trait]
impl<W: Wrapper> Maintain for Wrapped<W> {
    async fn stream_info(&self, tenant: &str, stream: &StreamId) -> Result<Option<StreamInfo>, ReadError> {
        self.0.inner().stream_info(tenant, stream).await
    }

    async fn change_stream(
        &self,
        tenant: &str,
        stream: &StreamId,
        expected: Expected,
        change: StreamChange,
    ) -> Result<StreamInfo, StreamError> {
        self.0.inner().change_stream(tenant, stream, expected, change).await
    }

    async fn scavenge(&self, now: Timestamp) -> Result<Scavenged, StoreError> {
        self.0.inner().scavenge(now).await
    }

    async fn export(&self, after: Position, limit: usize) -> Result<Vec<StoredEvent>, ReadError> {
        self.0.inner().export(after, limit).await
    }

    async fn export_streams(
        &self,
        after: Option<(&str, &StreamId)>,
        limit: usize,
    ) -> Result<Vec<StreamInfo>, ReadError> {
        self.0.inner().export_streams(after, limit).await
    }

    async fn import(&self, import: Import) -> Result<Imported, ImportError> {
        self.0.inner().import(import).await
    }

    async fn begin_maintenance(&self) -> Result<Box<dyn StoreTransaction>, StoreError> {
        self.0.inner().begin_maintenance().await
    }
}

#[async_trait]
impl<W: Wrapper> Store for Wrapped<W> {
    async fn begin(&self) -> Result<Box<dyn StoreTransaction>, StoreError> {
        self.0.begin().await
    }

    async fn join(&self, transaction: Box<dyn Any + Send>) -> Result<Box<dyn StoreTransaction>, StoreError> {
        self.0.inner().join(transaction).await
    }

    async fn beat(
        &self,
        tenant: &str,
        node: &str,
        name: &str,
        processors: &[String],
        lease: Duration,
    ) -> Result<(), StoreError> {
        self.0.inner().beat(tenant, node, name, processors, lease).await
    }

    async fn nodes(&self, tenant: &str) -> Result<Vec<NodeRow>, StoreError> {
        self.0.inner().nodes(tenant).await
    }

    async fn appear(&self, node: &str) -> Result<(), StoreError> {
        self.0.inner().appear(node).await
    }

    async fn is_gone(&self, node: &str) -> Result<bool, StoreError> {
        self.0.inner().is_gone(node).await
    }

    async fn leave(&self, tenant: &str, node: &str, clean: bool) -> Result<(), StoreError> {
        self.0.inner().leave(tenant, node, clean).await
    }

    async fn segments(&self, tenant: &str) -> Result<Vec<SegmentRow>, StoreError> {
        self.0.inner().segments(tenant).await
    }

    async fn segments_of(&self, tenant: &str, processor: &str) -> Result<Vec<SegmentRow>, StoreError> {
        self.0.inner().segments_of(tenant, processor).await
    }

    async fn token(&self, tenant: &str, name: &str) -> Result<Option<Position>, StoreError> {
        self.0.inner().token(tenant, name).await
    }

    async fn snapshot(&self, tenant: &str, stream: &StreamId, schema: &str) -> Result<Option<Snapshot>, StoreError> {
        self.0.inner().snapshot(tenant, stream, schema).await
    }

    async fn snapshot_schemas(&self, tenant: &str, stream: &StreamId) -> Result<Vec<String>, StoreError> {
        self.0.inner().snapshot_schemas(tenant, stream).await
    }

    async fn save_snapshot(&self, tenant: &str, stream: &StreamId, snapshot: Snapshot) -> Result<(), StoreError> {
        self.0.inner().save_snapshot(tenant, stream, snapshot).await
    }

    async fn documents(&self, view: &ViewId, keys: &[String]) -> Result<Vec<Document>, StoreError> {
        self.0.inner().documents(view, keys).await
    }

    async fn scan_documents(
        &self,
        view: &ViewId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        self.0.inner().scan_documents(view, after, limit).await
    }

    async fn find_documents(&self, query: &DocumentQuery) -> Result<Vec<FoundDocument>, StoreError> {
        self.0.inner().find_documents(query).await
    }

    async fn count_documents(&self, query: &DocumentQuery) -> Result<u64, StoreError> {
        self.0.inner().count_documents(query).await
    }

    async fn dead_letters(
        &self,
        tenant: &str,
        processor: &str,
        after: (Position, u32),
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.0.inner().dead_letters(tenant, processor, after, limit).await
    }

    async fn letter_count(&self, tenant: &str, processor: &str) -> Result<LetterCount, StoreError> {
        self.0.inner().letter_count(tenant, processor).await
    }

    async fn due_letters(
        &self,
        tenant: &str,
        processor: &str,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        self.0.inner().due_letters(tenant, processor, now, limit).await
    }

    async fn next_letter(&self, tenant: &str, processor: &str) -> Result<Option<Timestamp>, StoreError> {
        self.0.inner().next_letter(tenant, processor).await
    }

    async fn letter_of_stream(
        &self,
        tenant: &str,
        processor: &str,
        stream: &StreamId,
        until: Position,
    ) -> Result<Option<DeadLetter>, StoreError> {
        self.0.inner().letter_of_stream(tenant, processor, stream, until).await
    }

    async fn forget_commands(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.0.inner().forget_commands(before).await
    }

    fn sagas(&self) -> &dyn SagaStore {
        self.0.inner().sagas()
    }

    fn subscriptions(&self) -> &dyn SubscriptionStore {
        self.0.subscriptions()
    }

    fn has_lost_a_race(&self, error: &(dyn std::error::Error + 'static)) -> bool {
        self.0.inner().has_lost_a_race(error)
    }

    fn resources(&self) -> Resources {
        self.0.inner().resources()
    }

    fn transaction_type(&self) -> TypeId {
        self.0.inner().transaction_type()
    }

    fn address(&self) -> String {
        self.0.inner().address()
    }

    async fn close(&self) {
        self.0.inner().close().await;
    }
}

#[async_trait]
impl<C: AtCommit> StoreTransaction for WrappedTransaction<C> {
    async fn commit_with(self: Box<Self>, append: Append) -> Result<Appended, AppendError> {
        self.at_commit.before();
        let appended = self.inner.commit_with(append).await;
        self.at_commit.behind();
        appended
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.at_commit.before();
        let committed = self.inner.commit().await;
        self.at_commit.behind();
        committed
    }

    async fn advance(&mut self, segments: &[Advance]) -> Result<(), StoreError> {
        self.inner.advance(segments).await
    }

    async fn guard(&mut self, claims: &[Claim]) -> Result<(), StoreError> {
        self.inner.guard(claims).await
    }

    async fn lock_segments(&mut self, tenant: &str, processor: &str) -> Result<Vec<SegmentRow>, StoreError> {
        self.inner.lock_segments(tenant, processor).await
    }

    async fn write_segments(&mut self, tenant: &str, writes: Vec<SegmentWrite>) -> Result<(), StoreError> {
        self.inner.write_segments(tenant, writes).await
    }

    async fn documents(&mut self, view: &ViewId, keys: &[String]) -> Result<Vec<Document>, StoreError> {
        self.inner.documents(view, keys).await
    }

    async fn write_documents(&mut self, view: &ViewId, writes: Vec<DocumentChange>) -> Result<(), StoreError> {
        self.inner.write_documents(view, writes).await
    }

    async fn clear_documents(&mut self, view: &ViewId) -> Result<(), StoreError> {
        self.inner.clear_documents(view).await
    }

    async fn clear_entries(&mut self, view: &ViewId, key: &str) -> Result<(), StoreError> {
        self.inner.clear_entries(view, key).await
    }

    async fn find_sagas(
        &mut self,
        tenant: &str,
        saga: &str,
        associations: &[Association],
        ids: &[SagaId],
    ) -> Result<Vec<SagaRow>, StoreError> {
        self.inner.find_sagas(tenant, saga, associations, ids).await
    }

    async fn write_sagas(&mut self, tenant: &str, saga: &str, writes: Vec<SagaWrite>) -> Result<(), StoreError> {
        self.inner.write_sagas(tenant, saga, writes).await
    }

    async fn add_history(&mut self, tenant: &str, saga: &str, rows: Vec<HistoryRow>) -> Result<(), StoreError> {
        self.inner.add_history(tenant, saga, rows).await
    }

    async fn timers(&mut self, tenant: &str, saga: &str, ids: &[SagaId]) -> Result<Vec<Timer>, StoreError> {
        self.inner.timers(tenant, saga, ids).await
    }

    async fn open_among(&mut self, tenant: &str, effects: &[CommandId]) -> Result<Vec<CommandId>, StoreError> {
        self.inner.open_among(tenant, effects).await
    }

    async fn add_effects(&mut self, effects: Vec<Effect>) -> Result<(), StoreError> {
        self.inner.add_effects(effects).await
    }

    async fn cancel_effects(
        &mut self,
        tenant: &str,
        saga: &str,
        scope: &str,
        label: Option<&str>,
    ) -> Result<u64, StoreError> {
        self.inner.cancel_effects(tenant, saga, scope, label).await
    }

    async fn finish_effects(&mut self, tenant: &str, effects: &[CommandId]) -> Result<u64, StoreError> {
        self.inner.finish_effects(tenant, effects).await
    }

    async fn postpone_effect(
        &mut self,
        tenant: &str,
        effect: CommandId,
        attempts: u32,
        next: Result<Timestamp, String>,
    ) -> Result<bool, StoreError> {
        self.inner.postpone_effect(tenant, effect, attempts, next).await
    }

    async fn held_sequences(
        &mut self,
        tenant: &str,
        processor: &str,
        sequences: &[String],
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.inner.held_sequences(tenant, processor, sequences).await
    }

    async fn count_letters(
        &mut self,
        tenant: &str,
        processor: &str,
        component: &str,
        sequence: &str,
    ) -> Result<(u64, u64), StoreError> {
        self.inner.count_letters(tenant, processor, component, sequence).await
    }

    async fn add_letter(&mut self, letter: DeadLetter) -> Result<(), StoreError> {
        self.inner.add_letter(letter).await
    }

    async fn update_letter(&mut self, letter: &DeadLetter) -> Result<bool, StoreError> {
        self.inner.update_letter(letter).await
    }

    async fn remove_letter(&mut self, letter: &DeadLetter) -> Result<bool, StoreError> {
        self.inner.remove_letter(letter).await
    }

    async fn clear_letters(&mut self, tenant: &str, processor: &str, after: Position) -> Result<u64, StoreError> {
        self.inner.clear_letters(tenant, processor, after).await
    }

    async fn mark(&mut self) -> Result<(), StoreError> {
        self.inner.mark().await
    }

    async fn undo_to_mark(&mut self) -> Result<(), StoreError> {
        self.inner.undo_to_mark().await
    }

    async fn own_documents(&mut self, view: &ViewId, keys: &[String]) -> Result<Vec<Document>, StoreError> {
        self.inner.own_documents(view, keys).await
    }

    fn makes_tables(&mut self) {
        self.inner.makes_tables();
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self.inner.as_any_mut()
    }
}
