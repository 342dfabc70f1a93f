//! Where an event stands: its stream, its version in the stream, its global position.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Name;

/// Place of an event in its stream. The first event is 1; there are no gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(NonZeroU64);

impl Version {
    /// The version of the first event of a stream.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// `Some` unless `number` is 0: no event has version 0.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The version as a number, 1 or more.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The version of the event after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The version of the event after `head`, where `None` is an empty stream.
    #[must_use]
    pub fn after(head: Option<Self>) -> Self {
        head.map_or(Self::FIRST, Self::next)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Global position of an event: unique, dense and visible in commit order.
///
/// The first event has position 1; [`Position::START`] (0) is the place before it. A reader that has passed
/// position `p` never later sees an event at or below `p`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(u64);

impl Position {
    /// The place before the first event.
    pub const START: Self = Self(0);

    /// The position with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The position as a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a stream: a category (the stored name of the aggregate) and an id inside it. A clone costs no allocation.
///
/// ```
/// # use annals::StreamId;
/// let stream = StreamId::new("order", "o-1");
/// assert_eq!(stream.to_string(), "order/o-1");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId {
    category: Name,
    id: Arc<str>,
}

impl StreamId {
    /// The stream `id` of `category`.
    pub fn new(category: impl Into<Name>, id: impl Into<Arc<str>>) -> Self {
        Self { category: category.into(), id: id.into() }
    }

    /// The category: the stored name of the aggregate or decision.
    #[must_use]
    pub fn category(&self) -> &str {
        &self.category
    }

    /// The id inside the category.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The stream `id` of `category`, sharing with `last` what is the same. What follows one another in a page often
    /// belongs together.
    #[must_use]
    pub fn like(last: Option<&Self>, category: &str, id: &str) -> Self {
        match last {
            Some(last) if *last.id == *id && last.category == *category => last.clone(),
            last => Self { category: Name::like(last.map(|last| &last.category), category), id: id.into() },
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.category, self.id)
    }
}
