//! What is handed to the store, and what comes back.

use std::fmt;
use std::sync::Arc;

use crate::message::{CommandId, EventId, Metadata, Name, Position, StreamId, Tag, Timestamp, Version};

use super::criteria::Condition;
use super::documents::IndexChange;
use super::records::ViewId;
use super::sagas::EffectWrite;

/// Everything that one append writes, atomically.
#[derive(Debug, Clone, Default)]
pub struct Append {
    /// Whose data this is; the empty text where the application has a single tenant.
    pub tenant: String,
    /// The events, in the order in which they take their positions.
    pub events: Vec<NewEvent>,
    /// What must hold for streams. A stream without an expectation is not checked.
    pub expected: Vec<(StreamId, Expected)>,
    /// An event that may not have been stored yet when this append was decided on, and must be by now: the newest event
    /// in the state that it was decided on. A version alone does not tell it from an event that another writer stored in
    /// its place.
    pub rests_on: Option<EventId>,
    /// What must hold for a query over tags and names.
    pub condition: Option<Condition>,
    /// The command whose execution this is; recorded at most once.
    pub command: Option<CommandRecord>,
    /// Documents of inline views.
    pub documents: Vec<DocumentWrite>,
    /// States to keep as snapshots of streams that this append writes to.
    pub snapshots: Vec<SnapshotWrite>,
    /// What is to be sent later, and what is taken back; the last write of a name counts.
    pub effects: Vec<EffectWrite>,
}

/// An event before it has a place.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The stream that the event is appended to.
    pub stream: StreamId,
    /// The event's id; stored at most once.
    pub id: EventId,
    /// The stored name.
    pub name: Name,
    /// The revision of the payload.
    pub revision: u32,
    /// The payload in the application's codec.
    pub payload: Vec<u8>,
    /// What the event carries besides its payload.
    pub metadata: Arc<Metadata>,
    /// The tags under which the event is found.
    pub tags: Vec<Tag>,
    /// When the event was recorded, by the clock of the node that writes it.
    pub recorded_at: Timestamp,
}

/// What a stream must be like for an append to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// Anything.
    Any,
    /// No event yet.
    NoStream,
    /// At least one event.
    Exists,
    /// Exactly this version is the newest.
    Version(Version),
}

impl Expected {
    /// Whether a stream whose newest version is `head` is as expected.
    #[must_use]
    pub fn holds_for(self, head: Option<Version>) -> bool {
        match self {
            Self::Any => true,
            Self::NoStream => head.is_none(),
            Self::Exists => head.is_some(),
            Self::Version(version) => head == Some(version),
        }
    }

    /// Exactly `head`, where `None` is an empty stream.
    #[must_use]
    pub fn exactly(head: Option<Version>) -> Self {
        head.map_or(Self::NoStream, Self::Version)
    }
}

impl fmt::Display for Expected {
    /// In words, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("anything"),
            Self::NoStream => f.write_str("no events"),
            Self::Exists => f.write_str("at least one event"),
            Self::Version(version) => write!(f, "version {version}"),
        }
    }
}

/// The recorded execution of a command, from which a repeat is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRecord {
    /// The command's id.
    pub id: CommandId,
    /// The command's stored name.
    pub name: String,
    /// The id of the aggregate that it was for. With the name it tells a repeat from another command under the same id.
    pub target: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// When it was executed.
    pub recorded_at: Timestamp,
    /// The newest position that the execution wrote or saw. The store fills it in for an append with events.
    pub position: Position,
    /// The version of the target's stream afterwards.
    pub version: Option<Version>,
}

/// What came of a command, encoded by the application's codec.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was executed; the reply.
    Done(Vec<u8>),
    /// The domain said no; its error.
    Rejected(Vec<u8>),
}

/// A document that an inline view writes in the append's own transaction.
#[derive(Debug, Clone)]
pub struct DocumentWrite {
    /// The view that the document belongs to.
    pub view: ViewId,
    /// The document's key.
    pub key: String,
    /// The revision that was read; 0 where there was no document, also where one was removed. The append
    /// is refused if it has moved.
    pub read_revision: u64,
    /// The new document; `None` removes it.
    pub document: Option<Vec<u8>>,
    /// What changes among its entries under the indexes of the view.
    pub index: IndexChange,
}

/// A snapshot that is written in the append's own transaction. It is kept only if the append brings its stream to exactly
/// this version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotWrite {
    /// The stream.
    pub stream: StreamId,
    /// The version that the state includes: that of the append's last event in the stream.
    pub version: Version,
    /// The shape of the state; a snapshot of another shape is ignored.
    pub schema: String,
    /// The state in the application's codec.
    pub state: Vec<u8>,
}

/// Where an append ended up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Position of the newest event of this append; the store's head for an append without events.
    pub position: Position,
    /// The newest version of each stream that this append wrote to.
    pub versions: Vec<(StreamId, Version)>,
    /// Whether the same events had been stored before; then these are their first places.
    pub repeated: bool,
}

impl Appended {
    /// The newest version that this append gave to an event of `stream`.
    #[must_use]
    pub fn version_of(&self, stream: &StreamId) -> Option<Version> {
        self.versions.iter().find(|(written, _)| written == stream).map(|(_, version)| *version)
    }
}
