//! What a reader asks for, and the page that it gets.

use crate::message::{Position, RecordedEvent, StreamId, Timestamp, Version};

use super::criteria::Criteria;

/// A request for one page of events.
#[derive(Debug, Clone)]
pub struct Read {
    /// Whose data is read.
    pub tenant: String,
    /// Which events are wanted.
    pub scope: Scope,
    /// Oldest or newest first.
    pub direction: Direction,
    /// At most this many events. Default [`Read::PAGE`].
    pub limit: usize,
}

impl Read {
    /// Events of one page, unless a reader asks otherwise.
    pub const PAGE: usize = 512;

    /// Everything after `after`, oldest first.
    #[must_use]
    pub fn all(after: Position) -> Self {
        Self::of(Scope::All { after, until: None })
    }

    /// The events of `stream` after `after` (`None`: from the first), oldest first.
    #[must_use]
    pub fn stream(stream: StreamId, after: Option<Version>) -> Self {
        Self::of(Scope::Stream { stream, after, until: None })
    }

    /// The events that match `criteria` after `after`, oldest first.
    #[must_use]
    pub fn matching(criteria: Criteria, after: Position) -> Self {
        Self::of(Scope::Matching { criteria, after, until: None })
    }

    /// The same request with another page size.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// The same request, newest first. `after` then bounds the far end: reading starts at the head.
    #[must_use]
    pub fn backward(mut self) -> Self {
        self.direction = Direction::Backward;
        self
    }

    /// The same request for `tenant`.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = tenant.into();
        self
    }

    fn of(scope: Scope) -> Self {
        Self { tenant: String::new(), scope, direction: Direction::Forward, limit: Self::PAGE }
    }
}

/// Which events are read. `after` is exclusive; `until` is an instant at which the event was recorded, inclusive.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Scope {
    /// Every event.
    All {
        /// Exclusive lower bound.
        after: Position,
        /// Only events recorded up to this instant.
        until: Option<Timestamp>,
    },
    /// The events of one stream.
    Stream {
        /// The stream.
        stream: StreamId,
        /// Exclusive lower bound.
        after: Option<Version>,
        /// Only events recorded up to this instant.
        until: Option<Timestamp>,
    },
    /// The events that match.
    Matching {
        /// What matches.
        criteria: Criteria,
        /// Exclusive lower bound.
        after: Position,
        /// Only events recorded up to this instant.
        until: Option<Timestamp>,
    },
}

/// The order of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    Forward,
    /// Newest first.
    Backward,
}

/// One page of events.
#[derive(Debug, Clone)]
pub struct Page {
    /// The events, in the order asked for.
    pub events: Vec<RecordedEvent>,
    /// How far the store has looked: the position of the last event if the page is full, else the head of the store
    /// at the time of the read. A forward reader by position goes on after it; it is also the marker of a decision.
    pub scanned: Position,
    /// Whether more may follow: the page was cut at the limit.
    pub more: bool,
}

impl Page {
    /// The page that answers `read` with `events`. `head` is the head of the store at the time of the read, or a
    /// little before it: events behind it show that the store has looked further.
    pub(crate) fn answer(read: &Read, events: Vec<RecordedEvent>, head: Position) -> Self {
        let more = events.len() >= read.limit;
        let newest = events.iter().map(|event| event.recorded.position).max();
        let scanned = match events.last() {
            Some(last) if more => last.recorded.position,
            None if more => read.scope.after(),
            _ => newest.map_or(head, |newest| newest.max(head)),
        };
        Self { events, scanned, more }
    }
}

impl Scope {
    /// The position after which is read; the start for the events of a stream.
    fn after(&self) -> Position {
        match self {
            Self::All { after, .. } | Self::Matching { after, .. } => *after,
            Self::Stream { .. } => Position::START,
        }
    }
}
