//! What can go wrong at the store; one variant for each remedy.

use crate::message::{EventId, Position, StreamId, Version};

use super::append::CommandRecord;
use super::limits::LimitError;

/// The error below, as the database driver gave it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why an append was not confirmed. Nothing was written, except where a variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Another writer got there first. Read again and decide again.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The command was executed before. Answer with the recorded outcome.
    #[error("the command {} was executed before", .0.id)]
    CommandRepeated(Box<CommandRecord>),
    /// Some of the event ids are stored already, but not exactly these events in this append. Use fresh ids.
    #[error("the event id {id} is taken: it comes twice, or is stored already, in another append")]
    EventIdTaken {
        /// The id.
        id: EventId,
    },
    /// The input exceeds a documented limit. Make it smaller.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The stream takes no appends: it is archived or was ended for good. Restore it, or use another id.
    #[error("stream `{stream}` takes no appends: it is {status}")]
    StreamClosed {
        /// The stream.
        stream: StreamId,
        /// Its status.
        status: super::stream::StreamStatus,
    },
    /// The stream's category belongs to the framework. Use a category that begins otherwise.
    #[error("stream `{stream}` is reserved: categories that begin with `{prefix}` belong to the framework")]
    Reserved {
        /// The stream.
        stream: StreamId,
        /// The beginning that is reserved.
        prefix: &'static str,
    },
    /// The database has no room left. Make room; the same append succeeds then.
    #[error("the event store is full")]
    Full {
        /// What the database said.
        source: BoxError,
    },
    /// The database may only be read: a standby, or a file or server that is write-protected. Open a writable one.
    #[error("the event store is read-only")]
    ReadOnly {
        /// What the database said.
        source: BoxError,
    },
    /// The store could not be reached or refused before writing. The same append may succeed later.
    #[error("the event store is unavailable")]
    Unavailable {
        /// What the database said.
        source: BoxError,
    },
    /// The connection broke during commit: the events may be stored. Repeat the same append to settle it.
    #[error("the outcome of the append is unknown")]
    OutcomeUnknown {
        /// What the database said.
        source: BoxError,
    },
}

impl AppendError {
    /// Whether the same call may succeed later; retry policies ask only this.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::OutcomeUnknown { .. } | Self::Full { .. })
    }
}

/// What an append expected and did not find.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// The stream has another newest version than expected.
    #[error("stream `{stream}` is at {}, expected {expected}", at(.actual))]
    Stream {
        /// The stream.
        stream: StreamId,
        /// What was expected, in words.
        expected: String,
        /// The newest version, if there is one.
        actual: Option<Version>,
    },
    /// The event that the append rests on was not stored: the append before it was refused or failed.
    #[error("the event {event}, which the append rests on, is not stored")]
    Basis {
        /// The event.
        event: EventId,
    },
    /// An event inside the consistency boundary was appended meanwhile.
    #[error("an event inside the consistency boundary ({criteria}) was appended after position {after}")]
    Condition {
        /// The boundary.
        criteria: Box<super::criteria::Criteria>,
        /// The head when the boundary was read.
        after: Position,
    },
    /// A document of an inline view was written meanwhile.
    #[error("document `{key}` of view `{view}` was written meanwhile")]
    Document {
        /// The view.
        view: String,
        /// The document's key.
        key: String,
    },
}

fn at(version: &Option<Version>) -> String {
    version.map_or_else(|| "no version (it has no events)".to_owned(), |version| format!("version {version}"))
}

/// Why a read gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// What is asked for exceeds a documented limit, or has a name that no store takes. Ask for less.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The database does not answer. The call can be repeated.
    #[error("the event store cannot be read")]
    Unavailable {
        /// What the database said.
        source: BoxError,
    },
    /// A stored row has a shape that this program cannot read.
    #[error("the stored event at position {position} is unreadable: {reason}")]
    Corrupt {
        /// Where the row stands.
        position: Position,
        /// What is wrong with it.
        reason: String,
    },
}

/// Why an operation on the records beside the events failed. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The input exceeds a documented limit. Make it smaller.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The database does not answer. The call can be repeated.
    #[error("the store is unavailable")]
    Unavailable {
        /// What the database said.
        source: BoxError,
    },
    /// Another owner has claimed the segment, or somebody has changed it; this one must stop writing.
    #[error(
        "the claim on segment {segment} of processor `{processor}` was lost: its fencing number is no longer {fence}"
    )]
    ClaimLost {
        /// The processor.
        processor: String,
        /// The segment.
        segment: super::segment::Segment,
        /// The fencing number that this owner had.
        fence: u64,
    },
    /// The transaction that was to be joined is none in which this store can write. It was rolled back. Begin one as the
    /// remedy says.
    #[error("the store at `{store}` cannot join {given}: {remedy}")]
    NotJoined {
        /// The store's address, without a password.
        store: String,
        /// What was given, in words.
        given: String,
        /// What to do.
        remedy: String,
    },
    /// A record was changed by someone else since it was read. Read again.
    #[error("{what} was changed meanwhile")]
    Changed {
        /// What was changed.
        what: String,
    },
}

impl StoreError {
    /// The database does not answer, and this is what it said.
    pub fn unavailable(source: impl Into<BoxError>) -> Self {
        Self::Unavailable { source: source.into() }
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The address is not understood.
    #[error("`{url}` is no store address: {reason}")]
    Address {
        /// The address, without a password.
        url: String,
        /// What is wrong, and what is right.
        reason: String,
    },
    /// The address names a backend that this build does not contain.
    #[error("`{scheme}` stores need the Cargo feature `{feature}` of `annals`")]
    Feature {
        /// The scheme of the address.
        scheme: String,
        /// The feature to switch on.
        feature: &'static str,
    },
    /// The database could not be opened or created.
    #[error("the store at `{address}` cannot be opened")]
    Unavailable {
        /// The address.
        address: String,
        /// What the database said.
        source: BoxError,
    },
    /// The directory of the database's file is missing. Create it, or name another one.
    #[error("the store at `{address}` cannot be opened: create the directory `{}` first", directory.display())]
    Directory {
        /// The address.
        address: String,
        /// The directory.
        directory: std::path::PathBuf,
        /// What the database said.
        source: BoxError,
    },
    /// The schema was made by a newer program, or changed by hand.
    #[error("the schema of the store at `{address}` does not fit this program: {reason}")]
    Schema {
        /// The address.
        address: String,
        /// What does not fit, and the remedy.
        reason: String,
    },
}
