//! The records that the framework keeps beside the events.

use std::fmt;

use crate::message::{Position, Timestamp, Version};

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
