//! Why a command was not executed: rejected by the domain, or failed in the machinery. The two are different types all
//! the way up.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::aggregate::{EvolveError, LoadError, Misfit, Refusal};
use crate::handler::{ContextError, FailureClass, HandlerError};
use crate::message::{CodecError, Command, CommandId, DomainError, Never, Payloads, StreamId, Violations};
use crate::store::error::BoxError;
use crate::store::{AppendError, Conflict, ReadError, StoreError};

use super::class::class_of;

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

    /// The same outcome, with the domain's error turned into another one.
    pub fn map<F: Error + 'static>(self, turn: impl FnOnce(E) -> F) -> SendError<F> {
        match self {
            Self::Rejected(error) => SendError::Rejected(turn(error)),
            Self::Failed(failure) => SendError::Failed(failure),
        }
    }
}

impl SendError<Never> {
    /// The failure of a command that cannot be rejected.
    pub fn into_failure(self) -> CommandFailure {
        match self {
            Self::Rejected(never) => match never {},
            Self::Failed(failure) => failure,
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
    /// An event is scheduled that this application does not have. Derive `Event` for its type, and include it.
    #[error("the application has no event `{event}`")]
    UnknownEvent {
        /// Stored name of the event.
        event: String,
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
    /// The target has ended: an event with `Lifecycle::End` was its last. Its id is not used again.
    #[error("`{stream}` has ended, and takes no commands any more")]
    Ended {
        /// The target's stream.
        stream: StreamId,
    },
    /// The command is for a child entity that the target does not have.
    #[error("`{stream}` has no entity `{id}` among its `{entities}`")]
    EntityNotFound {
        /// The target's stream.
        stream: StreamId,
        /// Where entities of this kind are, such as `copies`.
        entities: &'static str,
        /// The id that the command names; empty for a single entity.
        id: String,
    },
    /// The command is handled in other variants of the target than the one that it is in.
    #[error("`{stream}` is in a variant that does not take the command; expected `{expected}`")]
    WrongVariant {
        /// The target's stream.
        stream: StreamId,
        /// The variants that take it.
        expected: &'static str,
    },
    /// The handler sets or takes back a deadline, and emits no event that it could be stored with.
    #[error("the decision on `{stream}` concerns the deadline `{deadline}`, and emits no event to store it with")]
    DeadlineWithoutEvent {
        /// The target's stream.
        stream: StreamId,
        /// Name of the deadline.
        deadline: String,
    },
    /// The handler decided on an event that does not fit its state: a fault in the handler, or in `#[event_sourcing]`.
    #[error("the command for `{stream}` would store an event that cannot be applied")]
    Misfit {
        /// The target's stream.
        stream: StreamId,
        /// The event.
        source: Misfit,
    },
    /// A unique value that the command would give to its target belongs to another aggregate.
    #[error("the {key} `{value}` belongs to `{owner}`")]
    Taken {
        /// Name of the field that carries `#[unique]`.
        key: &'static str,
        /// The value.
        value: String,
        /// Who has it.
        owner: StreamId,
    },
    /// The row of a target whose state is stored cannot be read.
    #[error("the row of `{stream}` cannot be read")]
    Row {
        /// The target's stream.
        stream: StreamId,
        /// Why.
        source: BoxError,
    },
    /// The command of an aggregate names no target.
    #[error("the command `{command}` has no field marked `#[target]`")]
    NoTarget {
        /// Stored name of the command.
        command: &'static str,
    },
    /// The caller's expected version does not hold, or other writers kept getting there first.
    #[error("the command met a conflict after {attempts} attempt{}", if *attempts == 1 { "" } else { "s" })]
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
    /// Too many commands of the application are under way. Send fewer at a time, or later.
    #[error("{limit} commands are under way, which is the limit; send `{command}` later")]
    Overloaded {
        /// Stored name of the command.
        command: String,
        /// How many may be under way.
        limit: usize,
    },
    /// A layer around dispatch has no room for the command. Send fewer at a time, or later.
    #[error("a layer has no room for `{command}`")]
    Shed {
        /// Stored name of the command.
        command: String,
    },
    /// Commands come faster than a rate limit allows. Send it again after a while.
    #[error("`{command}` came too soon: the rate limit lets the next one through in {again_in:?}")]
    RateLimited {
        /// Stored name of the command.
        command: String,
        /// When the next one is let through.
        again_in: Duration,
    },
    /// A circuit breaker is open, since too many commands failed. It lets one through after a while, to see.
    #[error("`{command}` was not tried: too many commands failed, the next one is tried in {again_in:?}")]
    CircuitOpen {
        /// Stored name of the command.
        command: String,
        /// When the next one is tried.
        again_in: Duration,
    },
    /// The command would wait for the turn that its own task holds, and so for itself. Send it when the outer command is
    /// done (after `next.run(..)` in an interceptor), or from a task of its own whose end nobody waits for.
    #[error(
        "`{command}` would wait for itself: the turn of `{stream}` is held by {} in the same task",
        chained(.holders)
    )]
    Nested {
        /// Stored name of the command that was refused.
        command: String,
        /// What it would wait for.
        stream: StreamId,
        /// Stored names of the commands that lie around it, from the one that holds the turn to the innermost.
        holders: Vec<&'static str>,
    },
    /// Nobody with one of these roles sent the command.
    #[error("`{command}` needs one of the roles {}", listed(.needed))]
    Forbidden {
        /// Stored name of the command.
        command: String,
        /// The roles; one of them is enough.
        needed: &'static [&'static str],
    },
    /// What is in the command breaks rules of its own. Correct it.
    #[error("`{command}` is invalid: {violations}")]
    Invalid {
        /// Stored name of the command.
        command: String,
        /// All rules that are broken.
        violations: Violations,
    },
    /// Commands of this component run one after the other by their routing key, and this one has none.
    #[error("the command `{command}` has no routing key: mark a field with `#[routing]` or `#[target]`")]
    NoRoutingKey {
        /// Stored name of the command.
        command: &'static str,
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
        /// Whether trying again can help: as the handler said, or else as the errors inside it tell.
        class: FailureClass,
    },
    /// A layer around dispatch failed with an error of its own. The command may have been executed.
    #[error("a layer around the command `{command}` failed")]
    Layer {
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
    /// The records beside the events could not be read or written: a command could not be scheduled, a unique key not be
    /// looked up.
    #[error("the command could not use the records beside its events")]
    Store(#[from] StoreError),
    /// The events could not be stored. With [`AppendError::OutcomeUnknown`] they may be.
    #[error("the command could not store its events")]
    Append(#[from] AppendError),
}

impl CommandFailure {
    /// Whether the same command may succeed later; retry policies ask only this. Of a failure with a cause, the whole chain
    /// of causes is looked at, by type.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Conflict { .. }
            | Self::Row { .. }
            | Self::Busy { .. }
            | Self::Overloaded { .. }
            | Self::Shed { .. }
            | Self::RateLimited { .. }
            | Self::CircuitOpen { .. }
            | Self::Timeout { .. } => true,
            Self::Read(error) => matches!(error, ReadError::Unavailable { .. }),
            Self::Store(error) => matches!(error, StoreError::Unavailable { .. }),
            Self::Handler { class, .. } => *class == FailureClass::Transient,
            Self::Append(error) => error.is_transient(),
            Self::Layer { source, .. } => class_of(&**source) == Some(FailureClass::Transient),
            _ => false,
        }
    }

    /// Whether the command may have been executed, or may still be: then it is only safe to repeat it under an id whose
    /// outcome is recorded ([`SendCall::id`](crate::command::SendCall::id)).
    #[must_use]
    pub fn may_be_executed(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Layer { .. } | Self::Append(AppendError::OutcomeUnknown { .. }))
    }

    /// The handler of `command` has failed with `error`.
    pub(crate) fn handler(command: impl Into<String>, error: HandlerError) -> Self {
        let class = error.class().or_else(|| class_of(error.source())).unwrap_or(FailureClass::Transient);
        Self::Handler { command: command.into(), source: error.into_source(), class }
    }
}

/// `a`, in which `b` was sent, in which `c` was sent.
fn chained(commands: &[&'static str]) -> String {
    let names: Vec<String> = commands.iter().map(|name| format!("`{name}`")).collect();
    names.join(", which sent ")
}

fn listed(items: &[&'static str]) -> String {
    let names: Vec<String> = items.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

impl CommandFailure {
    /// What the machinery's part in a refusal means for a command for `stream`; the domain's own error is handed back.
    pub(crate) fn of_refusal<C: Command>(
        refusal: Refusal<C::Error>,
        stream: Option<&StreamId>,
    ) -> Result<C::Error, Self> {
        let stream = || stream.cloned().unwrap_or_else(|| StreamId::new("", ""));
        Err(match refusal {
            Refusal::Rejected(error) => return Ok(error),
            Refusal::Context(error) => error.into(),
            Refusal::Failed(error) => Self::handler(C::NAME, error),
            Refusal::NoEntity { entities, id } => Self::EntityNotFound { stream: stream(), entities, id },
            Refusal::WrongVariant { expected } => Self::WrongVariant { stream: stream(), expected },
        })
    }
}

impl From<LoadError> for CommandFailure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Read(error) => Self::Read(error),
            LoadError::Evolve { stream, source } => Self::Evolve { stream, source },
            LoadError::Store(error) => Self::Store(error),
            LoadError::Row { stream, source } => Self::Row { stream, source: source.into() },
            error @ (LoadError::NoVersion { .. } | LoadError::NoPast { .. }) => {
                Self::Refused { reason: error.to_string() }
            }
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

impl Error for CommandError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Rejected(rejection) => rejection.0.source(),
            Self::Failed(failure) => failure.source(),
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
