//! What can go wrong inside a saga.

use crate::handler::ContextError;
use crate::message::{CodecError, UpcastError};
use crate::store::{DecodeError, ReadError, StoreError};
use crate::workflow::WorkflowError;

/// Why a saga could not handle an input. The input is tried again, then parked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SagaError {
    /// The stored state, or a state to store, does not fit the codec.
    #[error("the state of saga `{saga}` cannot be encoded or decoded")]
    State {
        /// Stored name of the saga.
        saga: &'static str,
        /// What the codec said.
        source: CodecError,
    },
    /// A newer program has written the state. The newer program goes on with the instance.
    #[error("the state of saga `{saga}` is of version {stored}, and this program knows version {known}")]
    NewerState {
        /// Stored name of the saga.
        saga: &'static str,
        /// The version of the stored state.
        stored: u32,
        /// The version that this program writes.
        known: u32,
    },
    /// An older state could not be lifted.
    #[error("the state of saga `{saga}` of version {version} cannot be lifted: {reason}")]
    Lift {
        /// Stored name of the saga.
        saga: &'static str,
        /// The version of the stored state.
        version: u32,
        /// Why.
        reason: String,
    },
    /// No command of the instance is parked, so none can be replaced.
    #[error("no command of instance {instance} of saga `{saga}` is parked")]
    NothingParked {
        /// Stored name of the saga.
        saga: &'static str,
        /// The instance.
        instance: crate::message::SagaId,
    },
    /// The input that begins the instance waits, and without it there is nothing that could go on.
    #[error(
        "instance {instance} of saga `{saga}` waits for the input that begins it, which cannot be left out: mend its handler and retry, or abort it"
    )]
    NotBegun {
        /// Stored name of the saga.
        saga: &'static str,
        /// The instance.
        instance: crate::message::SagaId,
    },
    /// The saga handles the answer to the parked command, and not that to the other one.
    #[error(
        "saga `{saga}` handles the answer to `{parked}`, and would never learn that of `{other}`: replace it by a command of the same type, or write `#[accepted]` and `#[rejected]` methods for `{other}`"
    )]
    Unanswered {
        /// Stored name of the saga.
        saga: &'static str,
        /// Stored name of the parked command.
        parked: String,
        /// Stored name of the command in its place.
        other: String,
    },
    /// No saga of the application has this name.
    #[error("the application has no saga `{name}`")]
    Unknown {
        /// The name that was asked for.
        name: String,
    },
    /// The saga declares nothing that undoes what it has done.
    #[error("saga `{saga}` has neither steps with compensations nor a `#[compensate]` method")]
    NothingToUndo {
        /// Stored name of the saga.
        saga: &'static str,
    },
    /// A command, or the error that came back for it, does not fit the codec.
    #[error("the command `{command}` or its error cannot be encoded or decoded")]
    Command {
        /// Stored name of the command.
        command: String,
        /// What the codec said.
        source: CodecError,
    },
    /// A command was rejected, and the saga has no handler for that.
    #[error("saga `{saga}` has no `#[rejected]` handler for the command `{command}`, which was rejected: {error}")]
    UnhandledRejection {
        /// Stored name of the saga.
        saga: &'static str,
        /// Stored name of the command.
        command: String,
        /// The domain's error, encoded.
        error: String,
    },
    /// A compensation was rejected.
    #[error("the compensation `{command}` of step `{step}` of saga `{saga}` was rejected: {error}")]
    CompensationRejected {
        /// Stored name of the saga.
        saga: &'static str,
        /// The step.
        step: String,
        /// Stored name of the command.
        command: String,
        /// The domain's error, encoded.
        error: String,
    },
    /// The instance is in a step that its list no longer has.
    #[error(
        "saga `{saga}` is in step `{step}`, which its list of steps does not have: add the step again and retry, or leave it out with skip"
    )]
    UnknownStep {
        /// Stored name of the saga.
        saga: &'static str,
        /// The step.
        step: String,
    },
    /// A step that was taken is to be undone, and the list no longer has it.
    #[error(
        "saga `{saga}` has to undo step `{step}`, which its list of steps no longer has: add the step again and retry, or compensate, which passes it over"
    )]
    CannotUndo {
        /// Stored name of the saga.
        saga: &'static str,
        /// The step.
        step: String,
    },
    /// The saga has set a deadline that no handler takes.
    #[error("saga `{saga}` has no `#[deadline(\"{name}\")]` handler")]
    UnknownDeadline {
        /// Stored name of the saga.
        saga: &'static str,
        /// The deadline's name.
        name: String,
    },
    /// The function of a workflow cannot go on.
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
    /// A handler panicked.
    #[error("a handler of saga `{saga}` panicked: {message}")]
    Panicked {
        /// Stored name of the saga.
        saga: &'static str,
        /// The panic's message.
        message: String,
    },
    /// An event could not be decoded.
    #[error(transparent)]
    Event(#[from] UpcastError),
    /// The events could not be read. The call can be repeated.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A parameter of a handler could not be provided.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DecodeError> for SagaError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Upcast(error) => error.into(),
            DecodeError::Read(error) => error.into(),
        }
    }
}

impl SagaError {
    pub(crate) fn command(name: &str, source: CodecError) -> Self {
        Self::Command { command: name.to_owned(), source }
    }
}
