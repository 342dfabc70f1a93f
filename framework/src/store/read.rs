//! What a reader asks for, and the page that it gets.

use crate::message::{Position, RecordedEvent, StreamId, Timestamp, Version};

use super::criteria::Criteria;

/// A request for one page of events. Everything that it says must hold for an event to be in the page.
///
/// ```
/// # use annals::store::{Criterion, Read};
/// # use annals::message::{Position, Tag, Timestamp};
/// let newest_of_a_course = Read::category("student", Position::START)
///     .only(Criterion::tag(Tag::new("course", "c-1")))
///     .until(Timestamp::from_micros(1_700_000_000_000_000))
///     .backward()
///     .limit(10);
/// # let _ = newest_of_a_course;
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Read {
    /// Whose data is read.
    pub tenant: String,
    /// Where is read.
    pub scope: Scope,
    /// Only events that match; `None`: every event of the scope.
    pub criteria: Option<Criteria>,
    /// Only events recorded at this instant or later, by the clock of the node that wrote them.
    pub since: Option<Timestamp>,
    /// Only events recorded up to this instant, inclusive.
    pub until: Option<Timestamp>,
    /// Oldest or newest first.
    pub direction: Direction,
    /// At most this many events, counted after filtering. Default [`Read::PAGE`].
    pub limit: usize,
    /// Whether payloads are loaded. Default [`Content::Full`].
    pub content: Content,
}

impl Read {
    /// Events of one page, unless a reader asks otherwise.
    pub const PAGE: usize = 512;

    /// Everything after `after`, oldest first.
    #[must_use]
    pub fn all(after: Position) -> Self {
        Self::of(Scope::All { after, up_to: None })
    }

    /// The events of `stream` after `after` (`None`: from the first), oldest first.
    #[must_use]
    pub fn stream(stream: StreamId, after: Option<Version>) -> Self {
        Self::of(Scope::Stream { stream, after, up_to: None })
    }

    /// The events of all streams of `category` after `after`, oldest first.
    #[must_use]
    pub fn category(category: impl Into<String>, after: Position) -> Self {
        Self::of(Scope::Category { category: category.into(), after, up_to: None })
    }

    /// The events that match `criteria` after `after`, oldest first.
    #[must_use]
    pub fn matching(criteria: impl Into<Criteria>, after: Position) -> Self {
        Self::all(after).only(criteria)
    }

    /// The same request, for events that also match `criteria`.
    #[must_use]
    pub fn only(mut self, criteria: impl Into<Criteria>) -> Self {
        self.criteria = Some(criteria.into());
        self
    }

    /// The same request, for events recorded at `instant` or later.
    #[must_use]
    pub fn since(mut self, instant: Timestamp) -> Self {
        self.since = Some(instant);
        self
    }

    /// The same request, for events recorded up to `instant`, inclusive.
    #[must_use]
    pub fn until(mut self, instant: Timestamp) -> Self {
        self.until = Some(instant);
        self
    }

    /// The same request up to `position`, inclusive. Of the events of one stream it bounds nothing: use
    /// [`Read::up_to_version`] there.
    #[must_use]
    pub fn up_to(mut self, position: Position) -> Self {
        if let Scope::All { up_to, .. } | Scope::Category { up_to, .. } = &mut self.scope {
            *up_to = Some(position);
        }
        self
    }

    /// The same request up to `version` of the stream, inclusive. It bounds nothing but the events of one stream.
    #[must_use]
    pub fn up_to_version(mut self, version: Version) -> Self {
        if let Scope::Stream { up_to, .. } = &mut self.scope {
            *up_to = Some(version);
        }
        self
    }

    /// The same request with another page size, at least 1.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }

    /// The same request, newest first. `after` then bounds the far end: reading starts at the upper bound, or the head.
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

    /// The same request without the payloads, which are then empty.
    #[must_use]
    pub fn without_payloads(mut self) -> Self {
        self.content = Content::WithoutPayload;
        self
    }

    /// The request for the page behind `page`, which answers this one; `None` behind the last page.
    #[must_use]
    pub fn behind(&self, page: &Page) -> Option<Self> {
        let last = page.events.last().filter(|_| page.more)?;
        self.beyond(self.scope.place_of(&last.recorded))
    }

    /// The request for what lies beyond `place`; `None` where nothing can. See [`BareEvent::place`](super::BareEvent).
    pub(super) fn beyond(&self, place: u64) -> Option<Self> {
        let mut next = self.clone();
        match (self.direction, &mut next.scope) {
            (Direction::Forward, Scope::All { after, .. } | Scope::Category { after, .. }) => {
                *after = Position::new(place);
            }
            (Direction::Forward, Scope::Stream { after, .. }) => *after = Version::new(place),
            (Direction::Backward, Scope::All { up_to, .. } | Scope::Category { up_to, .. }) => {
                *up_to = Some(Position::new(place.checked_sub(1)?));
            }
            (Direction::Backward, Scope::Stream { up_to, .. }) => *up_to = Some(Version::new(place.checked_sub(1)?)?),
        }
        Some(next)
    }

    /// The place after which is read.
    pub(super) fn after(&self) -> u64 {
        match &self.scope {
            Scope::All { after, .. } | Scope::Category { after, .. } => after.get(),
            Scope::Stream { after, .. } => after.map_or(0, Version::get),
        }
    }

    fn of(scope: Scope) -> Self {
        Self {
            tenant: String::new(),
            scope,
            criteria: None,
            since: None,
            until: None,
            direction: Direction::Forward,
            limit: Self::PAGE,
            content: Content::Full,
        }
    }
}

/// Where is read. `after` is exclusive, `up_to` is inclusive.
///
/// Events of an archived stream are found in the scope of their stream alone; removed ones nowhere
/// (see [`StreamChange`](super::StreamChange)).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Scope {
    /// All streams.
    All {
        /// Exclusive lower bound.
        after: Position,
        /// Inclusive upper bound.
        up_to: Option<Position>,
    },
    /// All streams of one category.
    Category {
        /// The category.
        category: String,
        /// Exclusive lower bound.
        after: Position,
        /// Inclusive upper bound.
        up_to: Option<Position>,
    },
    /// One stream.
    Stream {
        /// The stream.
        stream: StreamId,
        /// Exclusive lower bound.
        after: Option<Version>,
        /// Inclusive upper bound.
        up_to: Option<Version>,
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

/// How much of each event is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Everything.
    Full,
    /// Everything but the payload, which is empty.
    WithoutPayload,
}

/// One page of events.
#[derive(Debug, Clone)]
pub struct Page {
    /// The events, in the order asked for.
    pub events: Vec<RecordedEvent>,
    /// How far the store has looked: the position of the last event if the page is full, else the head of the store
    /// at the time of the read, or the upper bound if that is lower. A forward reader by position goes on after it.
    pub scanned: Position,
    /// The head of the store at the time of the read, also where nothing matched: the marker of a decision.
    pub head: Position,
    /// Whether more may follow: the page was cut at the limit.
    pub more: bool,
}

impl Page {
    /// The page that answers `read` with `events`. `head` is the head of the store at the time of the read, or a
    /// little before it: events behind it show that the store has looked further.
    pub(crate) fn answer(read: &Read, events: Vec<RecordedEvent>, head: Position) -> Self {
        let more = events.len() >= read.limit;
        let newest = events.iter().map(|event| event.recorded.position).max();
        let head = newest.map_or(head, |newest| newest.max(head));
        let scanned = match events.last() {
            Some(last) if more => last.recorded.position,
            None if more => read.scope.after(),
            _ => read.scope.up_to().map_or(head, |up_to| up_to.min(head)),
        };
        Self { events, scanned, head, more }
    }
}

impl Scope {
    /// The position after which is read; the start for the events of a stream.
    pub(crate) fn after(&self) -> Position {
        match self {
            Self::All { after, .. } | Self::Category { after, .. } => *after,
            Self::Stream { .. } => Position::START,
        }
    }

    /// The position up to which is read; `None` for the events of a stream.
    pub(crate) fn up_to(&self) -> Option<Position> {
        match self {
            Self::All { up_to, .. } | Self::Category { up_to, .. } => *up_to,
            Self::Stream { .. } => None,
        }
    }
}
