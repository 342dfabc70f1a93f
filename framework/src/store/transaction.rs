//! A transaction over the records beside the events, and over a handler's own rows.

use std::any::Any;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::ThreadId;

use async_trait::async_trait;

use crate::message::{CommandId, Position, SagaId, Timestamp};

use super::append::{Append, Appended};
use super::documents::DocumentChange;
use super::error::{AppendError, StoreError};
use super::records::{DeadLetter, Document, ViewId};
use super::sagas::{Association, Effect, HistoryRow, SagaRow, SagaWrite, Timer};
use super::segment::{Advance, Claim, SegmentRow, SegmentWrite};

/// What commits together. Dropping it without [`StoreTransaction::commit`] or [`StoreTransaction::commit_with`] rolls
/// everything back.
///
/// # Errors
/// Each method fails with [`StoreError::Unavailable`] when the database does not answer; then the transaction is of no
/// further use. Other errors are named with the method.
#[async_trait]
pub trait StoreTransaction: Send {
    /// Moves the tokens of claimed segments, all of one processor. None of them moves where one may not.
    ///
    /// # Errors
    /// [`StoreError::ClaimLost`] when a segment was claimed by another owner, divided, paused or removed.
    async fn advance(&mut self, segments: &[Advance]) -> Result<(), StoreError>;

    /// Checks that claims on segments, all of one processor, still hold. Where the database can do that without holding up
    /// the renewal of claims, nobody divides, resets or pauses the processor before the transaction ends.
    ///
    /// # Errors
    /// [`StoreError::ClaimLost`] when a segment was claimed by another owner, divided, paused or removed.
    async fn guard(&mut self, claims: &[Claim]) -> Result<(), StoreError>;

    /// The segments of `processor` by their ids. Nobody else changes them, and no token of them moves, before the transaction
    /// ends.
    async fn lock_segments(&mut self, tenant: &str, processor: &str) -> Result<Vec<SegmentRow>, StoreError>;

    /// Adds, changes and removes segments.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when a segment is there that is to be added, or is not as it was read.
    async fn write_segments(&mut self, tenant: &str, writes: Vec<SegmentWrite>) -> Result<(), StoreError>;

    /// Reads the documents of `keys`, without the missing ones.
    async fn documents(&mut self, view: &ViewId, keys: &[String]) -> Result<Vec<Document>, StoreError>;

    /// The same, for documents of which the caller knows that nobody else writes them: nothing is locked.
    async fn own_documents(&mut self, view: &ViewId, keys: &[String]) -> Result<Vec<Document>, StoreError> {
        self.documents(view, keys).await
    }

    /// Writes documents with their entries, and removes them.
    async fn write_documents(&mut self, view: &ViewId, changes: Vec<DocumentChange>) -> Result<(), StoreError>;

    /// Removes all documents of `view`, and their entries.
    async fn clear_documents(&mut self, view: &ViewId) -> Result<(), StoreError>;

    /// Removes all entries of the document of `view` under `key`, whatever the document says.
    async fn clear_entries(&mut self, view: &ViewId, key: &str) -> Result<(), StoreError>;

    /// The running instances of `saga` that are associated with any of `associations`, and those with any of `ids`, ended ones
    /// included; each once.
    async fn find_sagas(
        &mut self,
        tenant: &str,
        saga: &str,
        associations: &[Association],
        ids: &[SagaId],
    ) -> Result<Vec<SagaRow>, StoreError>;

    /// Writes instances of `saga` with their effects, timers and history. An instance that ends loses its associations and
    /// timers; its effects are still delivered. Several writes are of different instances.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when an instance has another revision than was read, or another running instance has its key.
    async fn write_sagas(&mut self, tenant: &str, saga: &str, writes: Vec<SagaWrite>) -> Result<(), StoreError>;

    /// Adds to the history of instances, in order.
    async fn add_history(&mut self, tenant: &str, saga: &str, rows: Vec<HistoryRow>) -> Result<(), StoreError>;

    /// The timers of the instances `ids` of `saga`, the earliest first.
    async fn timers(&mut self, tenant: &str, saga: &str, ids: &[SagaId]) -> Result<Vec<Timer>, StoreError>;

    /// Which of these effects are not done.
    async fn open_among(&mut self, tenant: &str, effects: &[CommandId]) -> Result<Vec<CommandId>, StoreError>;

    /// Adds effects that belong to no instance of a saga: commands that are sent later. Those with
    /// the id of an effect that is not done take its place, and so do those with the scope and label of one.
    async fn add_effects(&mut self, effects: Vec<Effect>) -> Result<(), StoreError>;

    /// Removes effects that are done; returns how many of them were there.
    async fn finish_effects(&mut self, tenant: &str, effects: &[CommandId]) -> Result<u64, StoreError>;

    /// Removes effects of `saga` that were not sent: those in `scope`, or the one of them with this label; returns how many.
    async fn cancel_effects(
        &mut self,
        tenant: &str,
        saga: &str,
        scope: &str,
        label: Option<&str>,
    ) -> Result<u64, StoreError>;

    /// Records that an effect was tried without success: when to try again, or why it was given up. Returns whether it was
    /// there.
    async fn postpone_effect(
        &mut self,
        tenant: &str,
        effect: CommandId,
        attempts: u32,
        next: Result<Timestamp, String>,
    ) -> Result<bool, StoreError>;

    /// The sequences of `processor` that are held up by a dead letter, among those of these names: each as component and
    /// sequence.
    async fn held_sequences(
        &mut self,
        tenant: &str,
        processor: &str,
        sequences: &[String],
    ) -> Result<Vec<(String, String)>, StoreError>;

    /// How many sequences of `processor` are held up, and how many letters wait in this one.
    async fn count_letters(
        &mut self,
        tenant: &str,
        processor: &str,
        component: &str,
        sequence: &str,
    ) -> Result<(u64, u64), StoreError>;

    /// Puts a step among the dead letters, in place of one that is there.
    async fn add_letter(&mut self, letter: DeadLetter) -> Result<(), StoreError>;

    /// Writes attempts, state and error of a dead letter; returns whether it was there.
    async fn update_letter(&mut self, letter: &DeadLetter) -> Result<bool, StoreError>;

    /// Removes a dead letter; returns whether it was there.
    async fn remove_letter(&mut self, letter: &DeadLetter) -> Result<bool, StoreError>;

    /// Removes all dead letters of `processor` whose events stand behind `after`; returns how many.
    async fn clear_letters(&mut self, tenant: &str, processor: &str, after: Position) -> Result<u64, StoreError>;

    /// Marks a point inside the transaction to which [`StoreTransaction::undo_to_mark`] returns. One mark at a time.
    async fn mark(&mut self) -> Result<(), StoreError>;

    /// Undoes everything since [`StoreTransaction::mark`].
    async fn undo_to_mark(&mut self) -> Result<(), StoreError>;

    /// Tells that a `#[setup]` may make tables in this transaction: where the database ends it with each of those, that is no
    /// reason to refuse the commit. Default: nothing to be told.
    fn makes_tables(&mut self) {}

    /// Makes everything permanent.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;

    /// Stores `append` inside this transaction, and makes everything permanent: what was written here and the events are
    /// there together, or none of it is.
    ///
    /// Every rule of [`EventStore::append`](super::EventStore::append) holds. The append sees what this transaction has
    /// written: a document that it expects has the revision that the transaction gave it. Readers wake as after any append.
    ///
    /// A repeat with the same event ids returns the first places and stores nothing. What this transaction has written is
    /// rolled back with it, since the first time it was committed with the events.
    ///
    /// The lock of appends is taken here and held until the commit. A transaction that has written documents which appends
    /// write too may meet one that waits for it: the database then ends one of the two, which is
    /// [`AppendError::Unavailable`]. As an append, it is handed over when the returned future is first polled: a future that
    /// is dropped after that takes nothing back.
    ///
    /// # Errors
    /// As [`EventStore::append`](super::EventStore::append). After [`AppendError::OutcomeUnknown`] everything or nothing
    /// is stored: a transaction that writes the same rows and appends the same events settles it. After every other error
    /// nothing is, and the transaction was rolled back.
    async fn commit_with(self: Box<Self>, append: Append) -> Result<Appended, AppendError>;

    /// The concrete type, for handlers that ask for it by name.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

/// What somebody wants to be joined, in words.
pub(crate) fn described(transaction: &(dyn Any + Send)) -> &'static str {
    #[cfg(feature = "sqlite")]
    if transaction.is::<sqlx::Transaction<'static, sqlx::Sqlite>>() {
        return "a transaction of SQLite";
    }
    #[cfg(feature = "postgres")]
    if transaction.is::<sqlx::Transaction<'static, sqlx::Postgres>>() {
        return "a transaction of PostgreSQL";
    }
    #[cfg(feature = "mysql")]
    if transaction.is::<sqlx::Transaction<'static, sqlx::MySql>>() {
        return "a transaction of MySQL";
    }
    let _ = transaction;
    "a value that is no `sqlx::Transaction<'static, _>` of a database that this build knows"
}

tokio::task_local! {
    static HELD: Cell<bool>;
}

/// Runs handler code while a transaction is held, so that [`is_held`] knows.
pub(crate) async fn holding<F: Future>(handler: F) -> F::Output {
    HELD.scope(Cell::new(true), handler).await
}

/// Runs handler code that may begin to [hold](Hold) a transaction. What its task does beside it is not meant.
pub(crate) async fn may_hold<F: Future>(handler: F) -> F::Output {
    HELD.scope(Cell::new(false), handler).await
}

/// Transactions that are held outside handlers: how many, and by whom.
static HOLDERS: Mutex<Vec<Holder>> = Mutex::new(Vec::new());
static HOLDER_COUNT: AtomicUsize = AtomicUsize::new(0);

/// A task, or a thread that runs code outside tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Task(tokio::task::Id),
    Thread(ThreadId),
}

impl Holder {
    fn here() -> Self {
        tokio::task::try_id().map_or_else(|| Self::Thread(std::thread::current().id()), Self::Task)
    }
}

/// Says that the handler in which it was made holds a transaction until it returns; outside handlers, that the task does
/// until this is dropped.
#[derive(Debug)]
pub(crate) struct Hold(Option<Holder>);

impl Hold {
    /// The code that runs this holds a transaction.
    pub(crate) fn here() -> Self {
        if HELD.try_with(|held| held.set(true)).is_ok() {
            return Self(None);
        }
        let holder = Holder::here();
        HOLDERS.lock().unwrap_or_else(PoisonError::into_inner).push(holder);
        HOLDER_COUNT.fetch_add(1, Ordering::Release);
        Self(Some(holder))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let Some(own) = self.0 else { return };
        let mut holders = HOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = holders.iter().position(|holder| *holder == own) {
            holders.swap_remove(place);
            HOLDER_COUNT.fetch_sub(1, Ordering::Release);
        }
    }
}

/// Whether this code runs in a handler that holds a transaction, or in a task that holds one in a unit of work. An append would then wait for the right to write that the
/// transaction holds, and the transaction for the append.
pub(crate) fn is_held() -> bool {
    if HELD.try_with(Cell::get).unwrap_or(false) {
        return true;
    }
    HOLDER_COUNT.load(Ordering::Acquire) > 0
        && HOLDERS.lock().unwrap_or_else(PoisonError::into_inner).contains(&Holder::here())
}
