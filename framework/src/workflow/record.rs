//! What is recorded of an instance: what its function has asked for, and what has come of it, in order.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::message::{Json, Timestamp};
use crate::saga::SagaStatus;

/// One entry of a record. Its place is part of what is compared when the function runs again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Entry {
    /// The function has asked for something.
    Asked(Asked),
    /// The answer to what was asked for.
    Came(Came),
    /// An event has arrived, whether the function waited for it or will.
    Event(Arrived),
    /// The function has passed a change of itself for the first time.
    Changed(String),
    /// Somebody wants undone what was done.
    Undo(Timestamp),
}

/// What a function can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Asked {
    /// A command, whose answer it waits for.
    Command(Wanted),
    /// A command, whose answer is of no interest.
    Notice(Wanted),
    /// An event.
    Event {
        /// Stored name.
        name: String,
        /// By what it is found.
        key: String,
        /// The value of the key.
        value: String,
        /// How long it waits.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<Duration>,
    },
    /// From here on events are kept for it.
    Follow {
        /// By what they are found.
        key: String,
        /// The value of the key.
        value: String,
    },
    /// Time to pass.
    Sleep(Duration),
    /// An instant.
    Until(Timestamp),
    /// Code with a side effect.
    Call(String),
    /// Another workflow with this input.
    Child(Wanted),
}

/// A command that is asked for, or the input of another workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// Stored name.
    pub(crate) name: String,
    /// The revision of the payload.
    pub(crate) revision: u32,
    /// The command in JSON, whatever the codec.
    pub(crate) payload: String,
}

/// The answer to what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Came {
    /// Which one, from 1.
    pub(crate) ask: u64,
    /// When.
    pub(crate) at: Timestamp,
    /// What.
    pub(crate) answer: Answer,
}

/// What came of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// The reply to a command, or the result of a call, in JSON.
    Accepted(String),
    /// The error of a command, in JSON.
    Rejected(String),
    /// The time is over.
    Elapsed,
    /// What another workflow had done was undone, or somebody ended it.
    Ended(SagaStatus),
}

/// An event that has arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Arrived {
    /// When.
    pub(crate) at: Timestamp,
    /// Stored name.
    pub(crate) name: String,
    /// The revision of the payload.
    pub(crate) revision: u32,
    /// By what it was found.
    pub(crate) key: String,
    /// The value of the key.
    pub(crate) value: String,
    /// The event in JSON, whatever the codec.
    pub(crate) payload: String,
}

impl Asked {
    /// What it is in few words, for whoever looks where an instance stands.
    pub(crate) fn stage(&self) -> String {
        match self {
            Self::Command(wanted) | Self::Notice(wanted) => format!("command {}", wanted.name),
            Self::Event { name, .. } => format!("event {name}"),
            Self::Follow { .. } => "events".to_owned(),
            Self::Sleep(_) | Self::Until(_) => "sleep".to_owned(),
            Self::Call(name) => format!("call {name}"),
            Self::Child(wanted) => format!("workflow {}", wanted.name),
        }
    }

    /// Whether `self`, which is recorded, is what is asked for now. How long something lasts may change under a running
    /// instance, and so may the revision of a command.
    pub(crate) fn is_still(&self, now: &Self) -> bool {
        match (self, now) {
            (Self::Command(was), Self::Command(is))
            | (Self::Notice(was), Self::Notice(is))
            | (Self::Child(was), Self::Child(is)) => was.is_still(is),
            (Self::Event { name, key, value, .. }, Self::Event { name: is_name, key: is_key, value: is_value, .. }) => {
                (name, key, value) == (is_name, is_key, is_value)
            }
            (Self::Sleep(_) | Self::Until(_), Self::Sleep(_) | Self::Until(_)) => true,
            (was, is) => was == is,
        }
    }
}

impl Arrived {
    /// The same, arriving at this instant.
    pub(crate) fn at(self, at: Timestamp) -> Self {
        Self { at, ..self }
    }
}

impl Wanted {
    fn is_still(&self, now: &Self) -> bool {
        self.name == now.name && (self.revision != now.revision || self.is_same_payload(now))
    }

    /// Maps write their keys in any order.
    fn is_same_payload(&self, now: &Self) -> bool {
        let tree = |text: &str| serde_json::from_str::<Json>(text).ok();
        self.payload == now.payload || tree(&self.payload).is_some_and(|was| tree(&now.payload) == Some(was))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(asked) => asked.fmt(f),
            Self::Came(came) => write!(f, "the answer to what was asked for as number {}", came.ask),
            Self::Event(arrived) => write!(f, "the arrival of the event `{}`", arrived.name),
            Self::Changed(name) => write!(f, "the change `{name}`"),
            Self::Undo(_) => f.write_str("the wish to undo what was done"),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(wanted) => write!(f, "the command {wanted}"),
            Self::Notice(wanted) => write!(f, "the notice {wanted}"),
            Self::Event { name, key, value, .. } => write!(f, "the event `{name}` by {key}={value}"),
            Self::Follow { key, value } => write!(f, "the events by {key}={value}"),
            Self::Sleep(_) | Self::Until(_) => f.write_str("a sleep"),
            Self::Call(name) => write!(f, "the call `{name}`"),
            Self::Child(wanted) => write!(f, "the workflow {wanted}"),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Characters of a payload that an error shows.
        const SHOWN: usize = 200;
        match self.payload.char_indices().nth(SHOWN) {
            None => write!(f, "`{}` {}", self.name, self.payload),
            Some((end, _)) => write!(f, "`{}` {}..", self.name, self.payload.get(..end).unwrap_or_default()),
        }
    }
}
