//! The store in this process, gone with it. A full citizen: it keeps every promise of the contract but durability.
//!
//! One right to write is handed from append to append and transaction to transaction, in the order in which they ask
//! for it, as a database would do it. Readers see what was committed and wait for nobody.

mod changes;
mod events;
mod maintain;
mod records;
mod sagas;
mod snapshots;
mod subscriptions;
mod transaction;

use std::any::{Any, TypeId};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::message::{CommandId, Position, SagaId, StreamId, Timestamp, Version};

use super::append::{Append, Appended, CommandRecord};
use super::documents::{DocumentQuery, FoundDocument};
use super::error::{AppendError, ReadError, StoreError};
use super::limits::Limits;
use super::plan::{Plan, plan};
use super::read::{Page, Read};
use super::records::{DeadLetter, Document, LetterCount, Snapshot, ViewId};
use super::sagas::{Effect, HistoryRow, SagaCount, SagaFilter, SagaRow, SagaStore, Timer, WaitingInput, WhichEffects};
use super::segment::{NodeRow, Segment, SegmentRow};
use super::subscriptions::SubscriptionStore;
use super::transaction::StoreTransaction;
use super::{EventStore, Store, described};

use events::Events;
use records::{Node, Records, named};
use snapshots::Snapshots;
use subscriptions::Subscriptions;
pub use transaction::MemoryTransaction;

/// A store in this process, gone with it.
///
/// ```
/// # use annals::store::{EventStore, MemoryStore};
/// # use annals::message::Position;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(MemoryStore::new().head().await.unwrap(), Position::START);
/// # });
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    right_to_write: Arc<Mutex<()>>,
    right_to_subscriptions: Arc<Mutex<()>>,
    appended: watch::Sender<Position>,
    limits: Limits,
}

/// What was committed.
#[derive(Debug, Default)]
struct Shared(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    events: Events,
    records: Records,
    snapshots: Snapshots,
    subscriptions: Subscriptions,
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Places of the events of one append, in order.
type Places = Vec<(Version, Position)>;

impl State {
    /// Stores what `plan` says of a batch of one append, but for the events: gives the answer, and their places.
    fn store(&mut self, mut plan: Plan<'_>) -> (Result<Appended, AppendError>, Places) {
        let answer = plan.answers.pop();
        self.records.store_documents(&plan);
        transaction::store_effects(&mut self.records, &plan);
        self.snapshots.store(&plan);
        self.events.store_commands(&mut plan);
        // All events of the append have places, or none has.
        let places = plan.events.iter().map(|(_, _, version, position)| (*version, *position)).collect();
        let lost = || Err(AppendError::Unavailable { source: "the append got no answer".into() });
        (answer.unwrap_or_else(lost), places)
    }

    /// Stores the events of `append` at their places; gives the head.
    fn store_events(&mut self, Append { tenant, events, .. }: Append, places: Places) -> Position {
        self.events.store(&tenant, events, places);
        self.events.head()
    }
}

impl MemoryStore {
    /// An empty store with the default [`Limits`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// An empty store with other limits.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self {
            shared: Arc::default(),
            right_to_write: Arc::default(),
            right_to_subscriptions: Arc::default(),
            appended: watch::Sender::new(Position::START),
            limits,
        }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl EventStore for MemoryStore {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.limits.admit(&append)?;
        let _right = self.right_to_write.lock().await;
        let batch = [append];
        let mut state = self.shared.write();
        let plan = plan(&batch, &*state);
        let (answer, places) = state.store(plan);
        let [append] = batch;
        let head = state.store_events(append, places);
        drop(state);
        self.appended.send_if_modified(|seen| std::mem::replace(seen, head) != head);
        answer
    }

    fn outcomes_may_be_unknown(&self) -> bool {
        false
    }

    async fn read(&self, read: &Read) -> Result<Page, ReadError> {
        self.limits.check_read(read)?;
        Ok(self.shared.read().events.read(read))
    }

    async fn count(&self, read: &Read) -> Result<u64, ReadError> {
        self.limits.check_read(read)?;
        Ok(self.shared.read().events.count(read))
    }

    async fn head(&self) -> Result<Position, ReadError> {
        Ok(self.shared.read().events.head())
    }

    async fn stream_head(&self, tenant: &str, stream: &StreamId) -> Result<Option<Version>, ReadError> {
        self.limits.check_stream(stream)?;
        Ok(self.shared.read().events.stream_head(tenant, stream))
    }

    async fn command(&self, tenant: &str, command: CommandId) -> Result<Option<CommandRecord>, ReadError> {
        Ok(self.shared.read().events.command(tenant, command).cloned())
    }

    fn appended(&self) -> watch::Receiver<Position> {
        self.appended.subscribe()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn begin(&self) -> Result<Box<dyn StoreTransaction>, StoreError> {
        let right = Arc::clone(&self.right_to_write).lock_owned().await;
        Ok(Box::new(MemoryTransaction::new(self, right)))
    }

    async fn join(&self, transaction: Box<dyn Any + Send>) -> Result<Box<dyn StoreTransaction>, StoreError> {
        Err(StoreError::NotJoined {
            store: self.address(),
            given: described(&*transaction).to_owned(),
            remedy:
                "a store in memory has no transactions of sqlx; begin one with `Store::begin`, or open a store in the \
                     database of the rows"
                    .to_owned(),
        })
    }

    async fn beat(
        &self,
        tenant: &str,
        node: &str,
        name: &str,
        processors: &[String],
        lease: Duration,
    ) -> Result<(), StoreError> {
        let until = Instant::now() + lease;
        let node_row = Node { name: name.to_owned(), processors: processors.to_vec(), until };
        self.shared.write().records.nodes.insert(named(tenant, node), node_row);
        Ok(())
    }

    async fn nodes(&self, tenant: &str) -> Result<Vec<NodeRow>, StoreError> {
        Ok(self.shared.read().records.nodes(tenant))
    }

    async fn appear(&self, _node: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn is_gone(&self, _node: &str) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn leave(&self, tenant: &str, node: &str, clean: bool) -> Result<(), StoreError> {
        let _right = self.right_to_write.lock().await;
        self.shared.write().records.leave(tenant, node, clean);
        Ok(())
    }

    async fn segments(&self, tenant: &str) -> Result<Vec<SegmentRow>, StoreError> {
        Ok(self.shared.read().records.segments(tenant))
    }

    async fn segments_of(&self, tenant: &str, processor: &str) -> Result<Vec<SegmentRow>, StoreError> {
        let mut rows = self.shared.read().records.segments(tenant);
        rows.retain(|row| row.processor == processor);
        Ok(rows)
    }

    async fn token(&self, tenant: &str, name: &str) -> Result<Option<Position>, StoreError> {
        Ok(self.shared.read().records.token(tenant, name))
    }

    async fn snapshot(&self, tenant: &str, stream: &StreamId, schema: &str) -> Result<Option<Snapshot>, StoreError> {
        let state = self.shared.read();
        let kept = state.snapshots.get(tenant, stream, schema);
        Ok(kept.filter(|kept| state.events.is_told(tenant, stream, kept.version)).cloned())
    }

    async fn snapshot_schemas(&self, tenant: &str, stream: &StreamId) -> Result<Vec<String>, StoreError> {
        let state = self.shared.read();
        let kept = state.snapshots.all(tenant, stream).into_iter();
        let told = kept.filter(|kept| state.events.is_told(tenant, stream, kept.version));
        Ok(told.map(|kept| kept.schema.clone()).collect())
    }

    async fn save_snapshot(&self, tenant: &str, stream: &StreamId, snapshot: Snapshot) -> Result<(), StoreError> {
        self.limits.check_snapshot(stream, &snapshot)?;
        self.shared.write().snapshots.put(tenant, stream, snapshot);
        Ok(())
    }

    async fn documents(&self, view: &ViewId, keys: &[String]) -> Result<Vec<Document>, StoreError> {
        Ok(self.shared.read().records.documents(view, keys))
    }

    async fn scan_documents(
        &self,
        view: &ViewId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        Ok(self.shared.read().records.scan_documents(view, after, limit))
    }

    async fn find_documents(&self, query: &DocumentQuery) -> Result<Vec<FoundDocument>, StoreError> {
        self.limits.check_query(query)?;
        Ok(self.shared.read().records.find_documents(query))
    }

    async fn count_documents(&self, query: &DocumentQuery) -> Result<u64, StoreError> {
        self.limits.check_query(query)?;
        Ok(self.shared.read().records.count_documents(query))
    }

    async fn dead_letters(
        &self,
        tenant: &str,
        processor: &str,
        after: (Position, u32),
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        Ok(self.shared.read().records.dead_letters(tenant, processor, after, limit))
    }

    async fn letter_count(&self, tenant: &str, processor: &str) -> Result<LetterCount, StoreError> {
        Ok(self.shared.read().records.letter_count(tenant, processor))
    }

    async fn due_letters(
        &self,
        tenant: &str,
        processor: &str,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        Ok(self.shared.read().records.due_letters(tenant, processor, now, limit))
    }

    async fn next_letter(&self, tenant: &str, processor: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.shared.read().records.next_letter(tenant, processor))
    }

    async fn letter_of_stream(
        &self,
        tenant: &str,
        processor: &str,
        stream: &StreamId,
        until: Position,
    ) -> Result<Option<DeadLetter>, StoreError> {
        Ok(self.shared.read().records.letter_of_stream(tenant, processor, stream, until))
    }

    async fn forget_commands(&self, before: Timestamp) -> Result<u64, StoreError> {
        let state = &mut *self.shared.write();
        let effects = &state.records.effect_ids;
        Ok(state.events.forget_commands(before, |tenant, id| effects.contains_key(&(tenant.to_owned(), id))))
    }

    fn sagas(&self) -> &dyn SagaStore {
        self
    }

    fn subscriptions(&self) -> &dyn SubscriptionStore {
        self
    }

    fn transaction_type(&self) -> TypeId {
        TypeId::of::<MemoryTransaction>()
    }

    fn address(&self) -> String {
        "memory:".to_owned()
    }

    async fn close(&self) {}
}

#[async_trait]
impl SagaStore for MemoryStore {
    async fn due_effects(
        &self,
        tenant: &str,
        saga: &str,
        segment: Segment,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Effect>, StoreError> {
        Ok(self.shared.read().records.due_effects(tenant, saga, segment, now, limit))
    }

    async fn next_effect(&self, tenant: &str, saga: &str, segment: Segment) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.shared.read().records.next_effect(tenant, saga, segment))
    }

    async fn open_effects(
        &self,
        tenant: &str,
        saga: &str,
        instance: Option<SagaId>,
        limit: usize,
    ) -> Result<Vec<Effect>, StoreError> {
        Ok(self.shared.read().records.open_effects(tenant, saga, instance, limit))
    }

    async fn effects(
        &self,
        tenant: &str,
        saga: &str,
        which: WhichEffects<'_>,
        after: Option<(Timestamp, CommandId)>,
        limit: usize,
    ) -> Result<Vec<Effect>, StoreError> {
        Ok(self.shared.read().records.effects(tenant, saga, which, after, limit))
    }

    async fn due_timers(
        &self,
        tenant: &str,
        saga: &str,
        segment: Segment,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Timer>, StoreError> {
        Ok(self.shared.read().records.due_timers(tenant, saga, segment, now, limit))
    }

    async fn next_timer(&self, tenant: &str, saga: &str, segment: Segment) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.shared.read().records.next_timer(tenant, saga, segment))
    }

    async fn list(
        &self,
        tenant: &str,
        saga: &str,
        filter: &SagaFilter,
        limit: usize,
    ) -> Result<Vec<SagaRow>, StoreError> {
        Ok(self.shared.read().records.list_sagas(tenant, saga, filter, limit))
    }

    async fn count(&self, tenant: &str, saga: &str) -> Result<Vec<SagaCount>, StoreError> {
        Ok(self.shared.read().records.count_sagas(tenant, saga))
    }

    async fn history(&self, tenant: &str, saga: &str, id: SagaId) -> Result<Vec<HistoryRow>, StoreError> {
        Ok(self.shared.read().records.history(tenant, saga, id))
    }

    async fn waiting(&self, tenant: &str, saga: &str, id: SagaId) -> Result<Vec<WaitingInput>, StoreError> {
        Ok(self.shared.read().records.waiting(tenant, saga, id))
    }

    async fn forget(&self, tenant: &str, saga: &str, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        Ok(self.shared.write().records.forget_sagas(tenant, saga, before, limit))
    }
}
