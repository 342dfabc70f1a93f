//! The life of a stream: what becomes of its events when nobody needs them any more.

use std::time::Duration;

use crate::message::{StreamId, Version};

/// A change in the life of a stream. Nothing is removed from the database before [`Maintain::scavenge`] runs; what is
/// hidden is gone for readers at once, in every scope.
///
/// A consistency condition still meets hidden events that were appended after its marker, until they are removed:
/// they did happen.
///
/// [`Maintain::scavenge`]: super::Maintain::scavenge
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamChange {
    /// Hides all events that the stream has now. For readers and expectations it then has none, but versions go on: the
    /// next event gets the version after the last one that was ever given. Its snapshots are dropped.
    Delete,
    /// Ends the stream for good: its events are hidden, and no append to it is ever taken again.
    Tombstone,
    /// Hides the events before this version, which must be there: the newest event always stays. Snapshots are kept,
    /// so an aggregate that has one at or after the version still loads.
    TruncateBefore(Version),
    /// Which events the next scavenge removes by age or count. [`Retention::default`] keeps everything.
    Retain(Retention),
    /// Closes the stream: no append is taken, and its events are read in the scope of the stream alone. Readers of
    /// everything, of a category and of criteria pass over them.
    Archive,
    /// Undoes an archive; undoes a delete as far as nothing was scavenged yet and nothing was appended since.
    Restore,
}

/// How much of a stream is kept. The newest event is always kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Events older than this are removed by the next scavenge, by the clock of the node that wrote them. Unit:
    /// microseconds; `None` keeps them.
    pub max_age: Option<Duration>,
    /// The next scavenge keeps this many of the newest events; at least 1. `None` keeps all.
    pub max_count: Option<u64>,
}

/// Whether a stream takes appends, and who sees its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StreamStatus {
    /// It takes appends, and its events are read.
    #[default]
    Open,
    /// It takes no appends; its events are read by its id alone.
    Archived,
    /// It was deleted and nothing was appended since.
    Deleted,
    /// It was ended for good.
    Tombstoned,
}

impl StreamStatus {
    /// The status as it is stored.
    #[must_use]
    pub fn code(self) -> i64 {
        match self {
            Self::Open => 0,
            Self::Archived => 1,
            Self::Deleted => 2,
            Self::Tombstoned => 3,
        }
    }

    /// The status that is stored as `code`; an unknown one is taken for an open stream.
    #[must_use]
    pub fn from_code(code: i64) -> Self {
        match code {
            1 => Self::Archived,
            2 => Self::Deleted,
            3 => Self::Tombstoned,
            _ => Self::Open,
        }
    }

    /// Whether a stream in this status takes appends.
    #[must_use]
    pub fn takes_appends(self) -> bool {
        matches!(self, Self::Open | Self::Deleted)
    }
}

impl std::fmt::Display for StreamStatus {
    /// In words, for people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Archived => "archived",
            Self::Deleted => "deleted",
            Self::Tombstoned => "ended for good",
        })
    }
}

/// What is known about a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamInfo {
    /// Whose data this is.
    pub tenant: String,
    /// The stream.
    pub stream: StreamId,
    /// Whether it takes appends.
    pub status: StreamStatus,
    /// The newest version that was ever given, also to an event that is hidden or removed.
    pub newest: Option<Version>,
    /// The oldest version that readers of the stream see.
    pub first: Option<Version>,
    /// What the next scavenge removes.
    pub retention: Retention,
}

/// Visibility of one event, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Visibility {
    /// Every reader sees it.
    #[default]
    Visible,
    /// Readers of its stream see it.
    Archived,
    /// Nobody sees it; the next scavenge removes it.
    Hidden,
}

impl Visibility {
    /// The visibility as it is stored.
    #[must_use]
    pub fn code(self) -> i64 {
        match self {
            Self::Visible => 0,
            Self::Archived => 1,
            Self::Hidden => 2,
        }
    }
}

/// What a scavenge did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scavenged {
    /// Events that were removed from the database, payloads and tags with them.
    pub events: u64,
    /// Bytes of their payloads and metadata.
    pub bytes: u64,
    /// Of these, events removed since their stream's retention ended for them.
    pub expired: u64,
    /// Snapshots that were removed: of streams that ended, and older ones beside a newer one of the same stream.
    pub snapshots: u64,
    /// Streams that lost events.
    pub streams: u64,
}
