//! The records that the framework keeps beside the events.

use std::fmt;

use crate::message::{CommandId, Metadata, Position, SagaId, Timestamp, Version};

/// A stored aggregate state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The version of the stream that the state includes.
    pub version: Version,
    /// The position of that version's event.
    pub position: Position,
    /// The shape of the state; a snapshot of another shape is ignored.
    pub schema: String,
    /// The state in the application's codec.
    pub state: Vec<u8>,
}

/// Names a view at one of its versions; each version keeps documents of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewId {
    /// Whose data this is.
    pub tenant: String,
    /// The stored name.
    pub name: String,
    /// The version of its shape and rules.
    pub version: u32,
}

impl fmt::Display for ViewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// One document of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The key.
    pub key: String,
    /// Grows by one with each write, from 1; it goes on after the document was removed.
    pub revision: u64,
    /// The body in the application's codec.
    pub body: Vec<u8>,
}

/// A key and a value by which events find their saga.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Association {
    /// The name, as in `by = order`.
    pub key: String,
    /// The value as text.
    pub value: String,
}

/// A saga instance as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaRow {
    /// The instance.
    pub id: SagaId,
    /// Grows by one with each write, from 1. A write on another revision is refused.
    pub revision: u64,
    /// The state in the application's codec.
    pub state: Vec<u8>,
    /// How far a declared step list has got, in JSON; `None` for a saga without one.
    pub progress: Option<String>,
    /// Whether it has ended: it takes no more input.
    pub ended: bool,
    /// Number of effects that the instance has ever had; it numbers the next one.
    pub effects: u64,
    /// By what it is found.
    pub associations: Vec<Association>,
}

/// Everything that changes when a saga handles one input, or several of one batch.
#[derive(Debug, Clone)]
pub struct SagaWrite {
    /// Whose data this is.
    pub tenant: String,
    /// Stored name of the saga.
    pub saga: String,
    /// The instance as it is to be; [`SagaRow::revision`] is the one that was read, 0 for a new instance.
    pub row: SagaRow,
    /// Effects to add, in order.
    pub effects: Vec<Effect>,
    /// Timers to set; one with the name of a waiting timer of the instance replaces it.
    pub timers: Vec<Timer>,
    /// Names of timers to cancel, before `timers` are set.
    pub cancelled: Vec<String>,
    /// When this happens.
    pub at: Timestamp,
}

/// A command that a saga has decided to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// Whose data this is.
    pub tenant: String,
    /// The id under which the command is sent, each time the same. Also the id of the effect.
    pub command: CommandId,
    /// Stored name of the saga.
    pub saga: String,
    /// The instance.
    pub saga_id: SagaId,
    /// Place among the instance's effects, from 1.
    pub number: u64,
    /// Stored name of the command.
    pub name: String,
    /// The command in the application's codec.
    pub payload: Vec<u8>,
    /// What the command carries besides its payload, and its revision where that is not 1 (see [`Effect::revision`]).
    pub metadata: Metadata,
    /// The step of a declared list that this effect belongs to.
    pub step: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// Not tried before this instant.
    pub not_before: Timestamp,
    /// Set when it was given up: why. It then needs attention and holds back the effects behind it.
    pub parked: Option<String>,
}

impl Effect {
    /// Key of the metadata under which the revision of a stored command stands, where it is not 1.
    pub(crate) const REVISION: &'static str = "annals.revision";

    /// The revision of the payload, as it was written.
    #[must_use]
    pub fn revision(&self) -> u32 {
        self.metadata.get(Self::REVISION).and_then(|revision| revision.parse().ok()).unwrap_or(1)
    }

    /// `metadata` with the revision of a command.
    pub(crate) fn metadata_at(revision: u32, metadata: &Metadata) -> Metadata {
        let metadata = metadata.clone().without(Self::REVISION);
        if revision == 1 { metadata } else { metadata.with(Self::REVISION, revision.to_string()) }
    }
}

/// A deadline of a saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// Whose data this is.
    pub tenant: String,
    /// Stored name of the saga.
    pub saga: String,
    /// The instance.
    pub saga_id: SagaId,
    /// The name, as in `#[deadline("reservation")]`; one timer of a name waits per instance.
    pub name: String,
    /// Fires at or after this instant, never earlier.
    pub due: Timestamp,
}

/// A step of an event that a processor could not take, or that waits behind such a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Whose data this is.
    pub tenant: String,
    /// The processor.
    pub processor: String,
    /// The event.
    pub position: Position,
    /// Which of the processor's steps for the event, counted from 0.
    pub place: u32,
    /// Which of the processor's components takes the step.
    pub component: String,
    /// The sequence that is held up.
    pub sequence: String,
    /// Stored name of the event.
    pub event: String,
    /// The stream of the event, as `category/id`.
    pub stream: String,
    /// How often it was tried; 0 for a step that only waits behind another one.
    pub attempts: u32,
    /// What becomes of it.
    pub state: LetterState,
    /// The last error.
    pub error: String,
    /// When it was put here.
    pub since: Timestamp,
}

/// What becomes of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LetterState {
    /// It is tried again at this instant, if nothing of its sequence stands before it.
    Retrying(Timestamp),
    /// It was given up; it waits for somebody to retry or evict it.
    Parked,
    /// It was passed over, and is kept for the record: it holds nothing up.
    Skipped,
}

impl LetterState {
    /// Whether later steps of the sequence wait behind it.
    #[must_use]
    pub const fn holds(self) -> bool {
        !matches!(self, Self::Skipped)
    }

    #[cfg_attr(not(feature = "_sql"), allow(dead_code, reason = "for databases"))]
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Retrying(_) => 0,
            Self::Parked => 1,
            Self::Skipped => 2,
        }
    }
}

/// How many dead letters a processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LetterCount {
    /// Sequences that are held up.
    pub sequences: u64,
    /// Letters that hold a sequence up, or wait in one.
    pub letters: u64,
    /// Those of them that are not tried again by themselves.
    pub parked: u64,
    /// Letters that were passed over.
    pub skipped: u64,
}
