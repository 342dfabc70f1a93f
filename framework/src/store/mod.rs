//! The event store: one contract, many backends.
//!
//! [`EventStore`] appends and reads events. [`Store`] adds the abilities that the framework keeps beside the events
//! (tracking tokens, view documents, sagas, effects, deadlines, dead letters, snapshots), so that they commit in one
//! transaction with the rows of a handler. A backend knows this contract and nothing above it.

pub mod append;
pub mod bare;
mod batcher;
pub mod criteria;
pub mod documents;
pub mod error;
pub mod exchange;
mod fold;
mod handle;
mod journal;
pub mod limits;
pub mod maintain;
mod open;
mod passes;
pub mod plan;
pub mod read;
pub mod reader;
pub mod records;
pub mod sagas;
pub mod segment;
pub mod stream;
pub mod subscriptions;
pub mod transaction;

pub mod memory;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "_sql")]
#[cfg_attr(
    not(all(feature = "sqlite", feature = "mysql")),
    allow(dead_code, unused_imports, reason = "one backend alone does not use everything that several share")
)]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::message::{CommandId, Position, RecordedEvent, StreamId, Version};

pub use append::{Append, Appended, CommandRecord, DocumentWrite, Expected, NewEvent, Outcome, SnapshotWrite};
pub use bare::{BareEvent, BarePage};
pub use batcher::{BatchLimits, BatchWriter, Batcher};
pub use criteria::{Condition, Criteria, Criterion};
pub use documents::{
    DocumentChange, DocumentFilter, DocumentPlace, DocumentQuery, FoundDocument, IndexChange, IndexEntry,
    ScanDirection, ValueTest,
};
pub use error::{AppendError, Conflict, OpenError, ReadError, StoreError};
pub use exchange::{
    Export, ExportError, Exported, Import, ImportError, ImportFileError, Imported, Importer, Line, Progress,
    StoredEvent,
};
pub use fold::{FoldError, Folded};
pub use handle::StreamHandle;
pub use journal::{DecodeError, Journal};
pub use limits::{LimitError, Limits};
pub use maintain::{Maintain, StreamError};
pub use memory::{MemoryStore, MemoryTransaction};
pub use open::open;
pub use read::{Content, Direction, Page, Read, Scope};
pub use reader::Reader;
pub use records::{DeadLetter, Document, LetterCount, LetterState, Snapshot};
pub use sagas::{
    Association, Effect, EffectKind, EffectWrite, HistoryRow, SagaCount, SagaFilter, SagaRow, SagaStatus, SagaStore,
    SagaWrite, Timer, WaitingInput, WhichEffects,
};
pub use segment::{Advance, Claim, NodeRow, Segment, SegmentRow, SegmentState, SegmentWrite};
pub use stream::{Retention, Scavenged, StreamChange, StreamInfo, StreamStatus, Visibility};
pub use transaction::StoreTransaction;
pub(crate) use transaction::{Hold, described, holding, is_held, may_hold};

#[cfg(feature = "mysql")]
pub use mysql::{MySqlStore, MySqlTransaction};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresStore, PostgresTransaction};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteStore, SqliteTransaction};

/// Appends events and reads them back.
///
/// The promises are those of the guarantees page: an append is atomic over all its events (1), positions are dense and
/// visible in commit order (2), of racing appends with the same expectation exactly one wins (3), an event id is stored
/// at most once and a command id is recorded at most once (5), input is bounded (11).
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// Stores the events of `append`, if what it expects holds.
    ///
    /// An append is handed over when the returned future is first polled; of two appends of one tenant that one task
    /// polls first one after the other, the store decides the first one first. A future that is dropped after that takes nothing
    /// back: the append may be stored all the same.
    ///
    /// A repeat with the same event ids returns the first places and stores nothing, also when the expectation would
    /// now fail.
    ///
    /// # Errors
    /// [`AppendError::Conflict`] when an expectation does not hold; [`AppendError::OutcomeUnknown`] when the connection
    /// broke during commit: repeat the same append to settle it. In every other case nothing was written.
    async fn append(&self, append: Append) -> Result<Appended, AppendError>;

    /// Whether an append may end in [`AppendError::OutcomeUnknown`]. Where it cannot, nobody keeps a copy of an append to
    /// repeat it.
    fn outcomes_may_be_unknown(&self) -> bool {
        true
    }

    /// Reads one page of events in order. [`Page::scanned`] says how far the store has looked, so that a filtered reader
    /// advances past what it skipped.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the database does not answer; the call can be repeated.
    async fn read(&self, read: &Read) -> Result<Page, ReadError>;

    /// Reads one page of events as [`EventStore::read`] does, without what building a state does without. A backend for
    /// which that is less work brings its own way.
    ///
    /// # Errors
    /// As [`EventStore::read`].
    async fn read_bare(&self, read: &Read) -> Result<BarePage, ReadError> {
        Ok(BarePage::of(read, self.read(read).await?))
    }

    /// How many events `read` asks for, whatever its limit; no payload is loaded.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the database does not answer.
    async fn count(&self, read: &Read) -> Result<u64, ReadError>;

    /// Whether there is any event that `read` asks for; no payload is loaded.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the database does not answer.
    async fn exists(&self, read: &Read) -> Result<bool, ReadError> {
        Ok(!self.read(&read.clone().without_payloads().limit(1)).await?.events.is_empty())
    }

    /// The first event that `read` asks for, in its direction: of a backward read that is the newest.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the database does not answer.
    async fn first(&self, read: &Read) -> Result<Option<RecordedEvent>, ReadError> {
        Ok(self.read(&read.clone().limit(1)).await?.events.pop())
    }

    /// The position of the newest event; [`Position::START`] in an empty store.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the database does not answer.
    async fn head(&self) -> Result<Position, ReadError>;

    /// The version of the newest event of `stream`; `None` when the stream has none, or was deleted.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the database does not answer.
    async fn stream_head(&self, tenant: &str, stream: &StreamId) -> Result<Option<Version>, ReadError>;

    /// The outcome that is recorded for `command`; `None` when it was never executed, or its record has expired.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when the database does not answer.
    async fn command(&self, tenant: &str, command: CommandId) -> Result<Option<CommandRecord>, ReadError>;

    /// A signal that changes when events were appended through this handle. Appends of other processes do not raise
    /// it: readers also poll.
    fn appended(&self) -> watch::Receiver<Position>;
}

/// A backend in full: events, and the records that commit beside them.
#[async_trait]
pub trait Store: EventStore + Maintain {
    /// Begins a transaction over everything but the events, which come at its end, if at all, with
    /// [`StoreTransaction::commit_with`]. It holds the right to write until it ends; dropping it without
    /// [`StoreTransaction::commit`] rolls it back.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn begin(&self) -> Result<Box<dyn StoreTransaction>, StoreError>;

    /// Makes a caller's transaction one of this store's, so that rows of the caller's own commit together with events.
    ///
    /// It takes a `sqlx::Transaction<'static, DB>`, as a pool gives it, of the database in which the store lies. A
    /// transaction that is refused is rolled back.
    ///
    /// | backend | `DB` | what is asked of it |
    /// |---|---|---|
    /// | memory | none: every transaction is refused | |
    /// | SQLite | `Sqlite` | on the store's file, as its main database. `BEGIN IMMEDIATE` is best: one that has read before others wrote can no longer write, which is [`AppendError::Unavailable`]. A pool with `synchronous` below `FULL` makes the commit as durable as that says |
    /// | PostgreSQL | `Postgres` | in the store's database and schema, at `READ COMMITTED` |
    /// | MySQL, MariaDB | `MySql` | in the store's database, with a strict `sql_mode`, at any level of isolation. MariaDB with `innodb_snapshot_isolation`, which it has from 11.6 on by default, needs `READ COMMITTED`: otherwise appends of others since its first read make it [`AppendError::Unavailable`] |
    ///
    /// # Errors
    /// [`StoreError::NotJoined`] for another transaction than that; [`StoreError::Unavailable`] when the database does not
    /// answer, has ended the transaction, or the store is closed.
    async fn join(&self, transaction: Box<dyn Any + Send>) -> Result<Box<dyn StoreTransaction>, StoreError>;

    /// Whether the database has ended a transaction of this store in favour of another one, so that the same work may go well
    /// the next time. `error` is what a handler made of the database's answer. Default: no.
    fn has_lost_a_race(&self, _error: &(dyn std::error::Error + 'static)) -> bool {
        false
    }

    /// Reports that a node is alive, for the time `lease` from now, by the database's clock; the first time, that it is there.
    /// `processors` are those that it can run.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn beat(
        &self,
        tenant: &str,
        node: &str,
        name: &str,
        processors: &[String],
        lease: Duration,
    ) -> Result<(), StoreError>;

    /// The nodes that have not left, those that are long overdue excepted, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn nodes(&self, tenant: &str) -> Result<Vec<NodeRow>, StoreError>;

    /// Takes the sign of life of `node` and keeps it until the process ends, the connection breaks or the node
    /// [leaves](Store::leave). Others learn by it at once that the node has died.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn appear(&self, node: &str) -> Result<(), StoreError>;

    /// Whether the sign of life of `node` is gone. A backend that cannot tell says no: others then wait for its time to end.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn is_gone(&self, node: &str) -> Result<bool, StoreError>;

    /// Removes a node. One that leaves by itself also gives up what it had claimed (`clean`); of one that has died the segments
    /// keep its name, which tells the next owner that it ended badly.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn leave(&self, tenant: &str, node: &str, clean: bool) -> Result<(), StoreError>;

    /// The segments of all processors of `tenant`, by processor and id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn segments(&self, tenant: &str) -> Result<Vec<SegmentRow>, StoreError>;

    /// The segments of one processor, by their ids.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn segments_of(&self, tenant: &str, processor: &str) -> Result<Vec<SegmentRow>, StoreError>;

    /// Where the processor `name` of `tenant` has got to with all of its segments; `None` if it never ran.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn token(&self, tenant: &str, name: &str) -> Result<Option<Position>, StoreError>;

    /// The newest snapshot of `stream` that was made with `schema`; others are not even decoded.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn snapshot(&self, tenant: &str, stream: &StreamId, schema: &str) -> Result<Option<Snapshot>, StoreError>;

    /// The schemas of the snapshots of `stream` that can be asked for, newest first. A backend without it has snapshots of
    /// older revisions ignored.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn snapshot_schemas(&self, _tenant: &str, _stream: &StreamId) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    /// Keeps `snapshot`, replacing an older one of the same schema; a newer one stays.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn save_snapshot(&self, tenant: &str, stream: &StreamId, snapshot: Snapshot) -> Result<(), StoreError>;

    /// Reads committed documents of `view`: those of `keys`, in any order, without the missing ones.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn documents(&self, view: &records::ViewId, keys: &[String]) -> Result<Vec<Document>, StoreError>;

    /// Reads committed documents of `view` in the order of their keys, at most `limit`, after the key `after`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn scan_documents(
        &self,
        view: &records::ViewId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError>;

    /// Finds committed documents by their entries: one page, in the order that `query` asks for.
    ///
    /// # Errors
    /// [`StoreError::Limit`] when a value is asked for that no index holds; [`StoreError::Unavailable`] when the database
    /// does not answer.
    async fn find_documents(&self, query: &DocumentQuery) -> Result<Vec<FoundDocument>, StoreError>;

    /// Counts the documents that `query` finds on all of its pages: its start and its limit play no part.
    ///
    /// # Errors
    /// As [`Store::find_documents`].
    async fn count_documents(&self, query: &DocumentQuery) -> Result<u64, StoreError>;

    /// The dead letters of `processor` behind the step `after` (a position and a place), in order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn dead_letters(
        &self,
        tenant: &str,
        processor: &str,
        after: (Position, u32),
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError>;

    /// How many dead letters `processor` has.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn letter_count(&self, tenant: &str, processor: &str) -> Result<LetterCount, StoreError>;

    /// The dead letters of `processor` that are to be tried again at `now`: of each sequence only the first. Those that were
    /// due first come first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn due_letters(
        &self,
        tenant: &str,
        processor: &str,
        now: crate::message::Timestamp,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError>;

    /// When the next dead letter of `processor` is to be tried again; `None` if none waits for that.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn next_letter(&self, tenant: &str, processor: &str)
    -> Result<Option<crate::message::Timestamp>, StoreError>;

    /// A dead letter of `processor` that holds up an event of `stream` up to the position `until`: the first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn letter_of_stream(
        &self,
        tenant: &str,
        processor: &str,
        stream: &StreamId,
        until: Position,
    ) -> Result<Option<DeadLetter>, StoreError>;

    /// Forgets the outcomes of commands that were recorded before `before`, but not of those that a saga may send
    /// again; returns how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database does not answer.
    async fn forget_commands(&self, before: crate::message::Timestamp) -> Result<u64, StoreError>;

    /// The records of sagas.
    fn sagas(&self) -> &dyn SagaStore;

    /// Subscriptions of outside consumers.
    fn subscriptions(&self) -> &dyn subscriptions::SubscriptionStore;

    /// What this backend offers to handlers by type, such as its pool.
    fn resources(&self) -> crate::handler::Resources {
        crate::handler::Resources::default()
    }

    /// The concrete type of the transactions that [`Store::begin`] gives, for handlers that ask for it.
    fn transaction_type(&self) -> std::any::TypeId;

    /// The address, without a password, for people.
    fn address(&self) -> String;

    /// Waits until what was handed over is written, then lets go of files and connections.
    async fn close(&self);
}

/// A shared backend.
pub type SharedStore = Arc<dyn Store>;
