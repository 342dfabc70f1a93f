//! What goes wrong with subscriptions.

use crate::message::{Position, UpcastError};
use crate::store::{DecodeError, ReadError, StoreError};

/// A setting is out of its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}` is {given}, expected {allowed}")]
pub struct SettingError {
    /// The setting.
    pub setting: &'static str,
    /// What was given.
    pub given: String,
    /// What it can be.
    pub allowed: String,
}

/// Why an operation on a subscription failed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// There is no subscription of this name. Create it.
    #[error("there is no subscription `{name}`")]
    NotFound {
        /// The name.
        name: String,
    },
    /// There is a subscription of this name with other settings. Use it, change it, or take another name.
    #[error("there is a subscription `{name}` with other settings")]
    Exists {
        /// The name.
        name: String,
    },
    /// The subscription has no such consumer.
    #[error("the subscription `{name}` has no consumer `{consumer}`")]
    NoConsumer {
        /// The subscription.
        name: String,
        /// The consumer's id.
        consumer: String,
    },
    /// The subscription has as many consumers as its settings allow.
    #[error("the subscription `{name}` has {limit} consumers, as many as it may have")]
    Full {
        /// The subscription.
        name: String,
        /// How many it may have.
        limit: usize,
    },
    /// A setting is out of its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The stored settings are those of a newer program, or damaged.
    #[error("the stored settings of the subscription `{name}` cannot be read")]
    Unreadable {
        /// The subscription.
        name: String,
        /// What is wrong with them.
        source: serde_json::Error,
    },
    /// The application is shut down.
    #[error("the application is shut down")]
    ShutDown,
    /// The store failed, or a limit was exceeded.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The events could not be read, or the filter exceeds a limit.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl SubscriptionError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::Unavailable { .. }) | Self::Read(ReadError::Unavailable { .. }) | Self::Full { .. }
        )
    }
}

/// Why a consumer has ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumeError {
    /// The subscription was removed.
    #[error("the subscription `{name}` was removed")]
    Removed {
        /// The subscription.
        name: String,
    },
    /// An operator has dropped this consumer.
    #[error("this consumer of the subscription `{name}` was dropped by an operator")]
    Dropped {
        /// The subscription.
        name: String,
    },
    /// The consumer was not heard of for too long, and others have taken its place. Begin another one.
    #[error("the subscription `{name}` has no room for this consumer, which it had not heard of for too long")]
    Replaced {
        /// The subscription.
        name: String,
    },
    /// What is stored of the subscription cannot be read by this program.
    #[error("the subscription `{name}` cannot be read: {reason}")]
    Unreadable {
        /// The subscription.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// Why an answer does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The time for the answer was over, or the consumer counted as gone: the event is given, or was given, to another.
    #[error("the event at position {position} is no longer with this consumer")]
    Lost {
        /// The event.
        position: Position,
    },
    /// The consumer has ended before the answer was written; the event is given to another.
    #[error("the consumer has ended before the answer for the event at position {position} was written")]
    Ended {
        /// The event.
        position: Position,
    },
    /// The database did not answer until the time for the answer was over. Whether it was written is not known.
    #[error("the answer for the event at position {position} could not be written: {reason}")]
    Unavailable {
        /// The event.
        position: Position,
        /// What the database said.
        reason: String,
    },
}

/// Why an event could not be turned into what the program knows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// It cannot be lifted, or its earlier events cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Its payload has another shape or revision.
    #[error(transparent)]
    Payload(#[from] UpcastError),
    /// It is another event.
    #[error("the event at position {position} is `{name}`, expected `{expected}`")]
    Other {
        /// Where it stands.
        position: Position,
        /// Its stored name.
        name: String,
        /// What was asked for.
        expected: &'static str,
    },
}

/// Why a catch-up subscription could not give its next item.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatchUpError {
    /// The events could not be read. Polling the stream again tries again.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event could not be turned into the type that was asked for. The stream goes on behind it.
    #[error("the event at position {position} cannot be given")]
    Event {
        /// Where it stands.
        position: Position,
        /// What is wrong with it.
        source: EventError,
    },
}
