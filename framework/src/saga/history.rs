//! What has happened to an instance of a saga, in order.

use serde::{Deserialize, Serialize};

use crate::message::{CommandId, EventId, Position, SagaId, Timestamp};
use crate::store::SagaStatus;

/// Something that an instance has taken, with what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// When.
    #[serde(skip, default = "epoch")]
    pub at: Timestamp,
    /// What it has taken.
    pub input: HistoryInput,
    /// What it then wanted to happen, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<HistoryEffect>,
    /// Where it then stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

const fn epoch() -> Timestamp {
    Timestamp::EPOCH
}

/// What an instance takes, and what is done to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HistoryInput {
    /// It was begun without an event: by a call, or by another saga.
    Begun {
        /// The saga that began it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<ParentSaga>,
    },
    /// An event.
    Event {
        /// Its stored name.
        name: String,
        /// Its id.
        id: EventId,
        /// Its place.
        position: Position,
    },
    /// A command that it had sent was accepted.
    Accepted {
        /// Its stored name.
        name: String,
        /// Its id.
        id: CommandId,
    },
    /// A command that it had sent was rejected.
    Rejected {
        /// Its stored name.
        name: String,
        /// Its id.
        id: CommandId,
        /// The domain's error, encoded.
        error: String,
    },
    /// A deadline has passed.
    Deadline {
        /// Its name.
        name: String,
    },
    /// A saga that it had begun has ended.
    Ended {
        /// Stored name of that saga.
        saga: String,
        /// The instance.
        id: SagaId,
        /// How it ended.
        status: SagaStatus,
    },
    /// It needs attention.
    Attention {
        /// Why.
        reason: String,
    },
    /// Somebody has intervened.
    Intervention {
        /// How.
        action: Intervention,
    },
}

/// The saga that has begun another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentSaga {
    /// Its stored name.
    pub saga: String,
    /// The instance.
    pub id: SagaId,
    /// The effect by which it did.
    pub effect: CommandId,
}

/// What somebody does about an instance that needs attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Intervention {
    /// What it is stuck at is tried again.
    Retry,
    /// What it is stuck at is left out.
    Skip,
    /// Another command goes out in place of the one that it is stuck at.
    Replace,
    /// What it has done is undone.
    Compensate,
    /// It was ended.
    Abort,
}

/// What an instance wants to happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HistoryEffect {
    /// A command is sent.
    Sent {
        /// Its stored name.
        name: String,
        /// Its id.
        id: CommandId,
    },
    /// An event is appended.
    Published {
        /// Its stored name.
        name: String,
        /// The id of the effect, from which that of the event is derived.
        id: CommandId,
    },
    /// Another saga is begun.
    Began {
        /// Its stored name.
        saga: String,
        /// The instance.
        id: SagaId,
    },
    /// Code of a workflow is run.
    Called {
        /// Its name.
        name: String,
        /// The id of the effect.
        id: CommandId,
    },
    /// A deadline is set, or moved.
    DeadlineSet {
        /// Its name.
        name: String,
        /// When it fires.
        due: Timestamp,
    },
    /// A deadline is taken back.
    DeadlineCancelled {
        /// Its name.
        name: String,
    },
    /// It takes events by this from now on.
    Associated {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// It takes no more events by this.
    Dissociated {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// A command is not sent after all, or its answer is not waited for any more.
    Withdrawn {
        /// Its id.
        id: CommandId,
    },
    /// A local step has refused: what was done before it is undone.
    Refused {
        /// The step.
        step: String,
        /// What it says.
        reason: String,
    },
    /// It has ended.
    Ended {
        /// How.
        status: SagaStatus,
    },
}
