//! Why a command was not executed: rejected by the domain, or failed in the machinery. The two are different types all
//! the way up.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::aggregate::{EvolveError, LoadError};
use crate::handler::ContextError;
use crate::message::{CodecError, CommandId, DomainError, Payloads, StreamId};
use crate::store::error::BoxError;
use crate::store::{AppendError, Conflict, ReadError};

/// Why [`send`](crate::Annals::send) gave no reply.
#[derive(Debug, thiserror::Error)]
pub enum SendError<E: Error + 'static> {
    /// The domain said no. Sending the same command again gives the same answer.
    #[error(transparent)]
    Rejected(E),
    /// The machinery failed.
    #[error(transparent)]
    Failed(#[from] CommandFailure),
}

impl<E: Error + 'static> SendError<E> {
    /// The domain's error, if the command was rejected.
    pub fn rejection(self) -> Option<E> {
        match self {
            Self::Rejected(error) => Some(error),
            Self::Failed(_) => None,
        }
    }
}

/// Why the machinery could not execute a command; one variant for each remedy. Nothing was stored, except where a
/// variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandFailure {
    /// Nobody handles this command. Register a handler, or mention the crate that has it: `use my_handlers as _;`.
    #[error("no handler takes the command `{command}`")]
    NoHandler {
        /// Stored name of the command.
        command: String,
    },
    /// The handler creates, and the target exists.
    #[error("`{stream}` exists already")]
    AlreadyExists {
        /// The target's stream.
        stream: StreamId,
    },
    /// The handler changes, and the target does not exist.
    #[error("`{stream}` does not exist")]
    NotFound {
        /// The target's stream.
        stream: StreamId,
    },
    /// The command of an aggregate names no target.
    #[error("the command `{command}` has no field marked `#[target]`")]
    NoTarget {
        /// Stored name of the command.
        command: &'static str,
    },
    /// The caller's expected version does not hold, or other writers kept getting there first.
    #[error("the command met a conflict after {attempts} attempts")]
    Conflict {
        /// How often it was decided.
        attempts: u32,
        /// The last conflict.
        source: Conflict,
    },
    /// Too many commands wait for the same target. Send fewer at a time, or later.
    #[error("{waiting} commands wait for `{stream}`, the limit is {limit}")]
    Busy {
        /// The target's stream.
        stream: StreamId,
        /// How many wait.
        waiting: usize,
        /// How many may wait.
        limit: usize,
    },
    /// Another command was executed under this id. Draw a fresh one.
    #[error("the command id {id} belongs to an earlier `{taken_by}`, to another target or of another kind")]
    IdTaken {
        /// The id.
        id: CommandId,
        /// Stored name of the command that has it.
        taken_by: String,
    },
    /// There was no answer in the time given. The command may still be executed.
    #[error("no answer to the command within {after:?}; it may still be executed")]
    Timeout {
        /// The time given.
        after: Duration,
    },
    /// A parameter of the handler could not be provided.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A stored event of the target cannot be applied.
    #[error("the state of `{stream}` cannot be built")]
    Evolve {
        /// The target's stream.
        stream: StreamId,
        /// Why.
        source: EvolveError,
    },
    /// The command, an event or a reply does not fit the codec.
    #[error("`{name}` cannot be encoded or decoded")]
    Codec {
        /// Stored name of the message.
        name: String,
        /// What the codec said.
        source: CodecError,
    },
    /// A handler panicked. The panic is a fault in the handler.
    #[error("the handler of `{command}` panicked: {message}")]
    Panicked {
        /// Stored name of the command.
        command: String,
        /// The panic's message.
        message: String,
    },
    /// A handler outside aggregates failed for a technical reason.
    #[error("the handler of `{command}` failed")]
    Handler {
        /// Stored name of the command.
        command: String,
        /// What it said.
        source: BoxError,
    },
    /// An interceptor stopped the command.
    #[error("{reason}")]
    Refused {
        /// What the interceptor said.
        reason: String,
    },
    /// The events could not be read.
    #[error("the command could not read its events")]
    Read(#[from] ReadError),
    /// The events could not be stored. With [`AppendError::OutcomeUnknown`] they may be.
    #[error("the command could not store its events")]
    Append(#[from] AppendError),
}

impl CommandFailure {
    /// Whether the same command may succeed later; retry policies ask only this.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Conflict { .. } | Self::Busy { .. } | Self::Timeout { .. } | Self::Read(_) | Self::Handler { .. } => {
                true
            }
            Self::Append(error) => error.is_transient(),
            _ => false,
        }
    }
}

impl From<LoadError> for CommandFailure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Read(error) => Self::Read(error),
            LoadError::Evolve { stream, source } => Self::Evolve { stream, source },
        }
    }
}

/// What a command ended in, with the domain's error still typed behind a box.
#[derive(Debug)]
pub enum CommandError {
    /// The domain said no.
    Rejected(Rejection),
    /// The machinery failed.
    Failed(CommandFailure),
}

impl<T: Into<CommandFailure>> From<T> for CommandError {
    fn from(failure: T) -> Self {
        Self::Failed(failure.into())
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

/// A domain error of a type that only the sender knows.
pub struct Rejection(Box<dyn ErasedDomainError>);

impl Rejection {
    /// Wraps the domain's error.
    #[must_use]
    pub fn new<E: DomainError>(error: E) -> Self {
        Self(Box::new(error))
    }

    /// The domain's error, if it is an `E`.
    #[must_use]
    pub fn error<E: DomainError>(&self) -> Option<&E> {
        self.0.as_any().downcast_ref()
    }

    pub(crate) fn into_error<E: DomainError>(self) -> Option<E> {
        self.0.into_any().downcast().ok().map(|error| *error)
    }

    pub(crate) fn encode(&self, payloads: &Payloads) -> Result<Vec<u8>, CodecError> {
        self.0.encode(payloads)
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

trait ErasedDomainError: Error + Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
    fn encode(&self, payloads: &Payloads) -> Result<Vec<u8>, CodecError>;
}

impl<E: DomainError> ErasedDomainError for E {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }

    fn encode(&self, payloads: &Payloads) -> Result<Vec<u8>, CodecError> {
        payloads.encode(self)
    }
}
