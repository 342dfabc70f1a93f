//! What the handlers of a saga are.

use std::fmt;

use crate::handler::{Context, ContextError, Requirement};
use crate::message::{Command, CommandId, Decode, Metadata, Payloads, SagaId, UpcastError};
use crate::store::{Association, SagaStatus};

use super::Saga;
use super::course::Course;
use super::effects::Effects;
use super::error::SagaError;
use super::state::StateUpcast;
use super::steps::Steps;

/// The handlers of a saga. `#[saga_handlers]` implements it.
#[diagnostic::on_unimplemented(
    message = "the saga `{Self}` has no handlers",
    note = "add an `impl {Self}` block with `#[saga_handlers]`"
)]
pub trait SagaHandlers: Saga {
    /// Names of the events that the saga takes.
    const EVENTS: &'static [&'static str];

    /// Decodes `event`, which carries `metadata`, and says which instances it concerns, and how; `None` for an event that the saga does not take.
    ///
    /// # Errors
    /// When the event cannot be decoded.
    fn route(event: Decode<'_>, metadata: &Metadata) -> Result<Option<SagaInput<Self>>, UpcastError>;

    /// What handles the beginning of an instance without an event: by a call, or by another saga.
    fn begin() -> Option<BeginFn<Self>> {
        None
    }

    /// What handles the reply to a command that the saga sent.
    fn replies() -> Vec<ReplyHandler<Self>> {
        Vec::new()
    }

    /// What handles the rejection of a command that the saga sent.
    fn rejections() -> Vec<RejectionHandler<Self>> {
        Vec::new()
    }

    /// What handles a deadline.
    fn deadlines() -> Vec<DeadlineHandler<Self>> {
        Vec::new()
    }

    /// What handles the end of a saga that this one began.
    fn ends() -> Vec<EndHandler<Self>> {
        Vec::new()
    }

    /// What undoes what the saga has done, when somebody asks for that.
    fn compensation() -> Option<BeginFn<Self>> {
        None
    }

    /// What lifts states of older versions, each by one version.
    fn upcasts() -> Vec<StateUpcast> {
        Vec::new()
    }

    /// The declared list of steps, where there is one.
    fn steps() -> Option<Steps<Self>> {
        None
    }

    /// What decides on the next move besides the handlers: the list of steps, by default.
    #[doc(hidden)]
    fn course() -> Option<Box<dyn Course<Self>>> {
        Self::steps().map(|steps| Box::new(steps) as Box<dyn Course<Self>>)
    }

    /// What the parameters of the handlers need.
    fn requirements() -> Vec<Requirement> {
        Vec::new()
    }
}

/// Handles what comes without a message.
pub type BeginFn<S> = fn(&mut S, &Context<'_>, &mut Effects) -> Result<(), ContextError>;

/// What an event means to the life of a saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SagaRole {
    /// `#[start]`: begins an instance where none has the association.
    Start,
    /// `#[start(.., always)]`: begins an instance, whatever others there are.
    StartAlways,
    /// `#[handle]`: goes to the instances that have the association; to none if there is none.
    Handle,
    /// `#[end]`: as `Handle`, and the instance has then ended.
    End,
}

impl SagaRole {
    /// Whether it begins instances.
    #[must_use]
    pub const fn starts(self) -> bool {
        matches!(self, Self::Start | Self::StartAlways)
    }
}

/// One event on its way into a saga.
pub struct SagaInput<S> {
    /// What it means to the saga's life.
    pub role: SagaRole,
    /// By what the instances are found: those with any of these.
    pub associations: Vec<Association>,
    /// Handles the event.
    pub handle: HandleFn<S>,
}

/// Called once for each instance that the event concerns.
type HandleFn<S> = Box<dyn Fn(&mut S, &Context<'_>, &mut Effects) -> Result<(), ContextError> + Send + Sync>;

impl<S: Saga> SagaInput<S> {
    /// An input for the instances whose association `key` has the text of `value`.
    pub fn new(
        role: SagaRole,
        key: &str,
        value: &dyn fmt::Display,
        handle: impl Fn(&mut S, &Context<'_>, &mut Effects) -> Result<(), ContextError> + Send + Sync + 'static,
    ) -> Self {
        Self::found_by(role, vec![Association::new(key, value)], handle)
    }

    /// An input for the instances with any of `associations`; for none where there is none.
    pub fn found_by(
        role: SagaRole,
        associations: Vec<Association>,
        handle: impl Fn(&mut S, &Context<'_>, &mut Effects) -> Result<(), ContextError> + Send + Sync + 'static,
    ) -> Self {
        Self { role, associations, handle: Box::new(handle) }
    }
}

impl<S> fmt::Debug for SagaInput<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SagaInput")
            .field("role", &self.role)
            .field("associations", &self.associations)
            .finish_non_exhaustive()
    }
}

/// Handles the reply to one type of command.
pub struct ReplyHandler<S> {
    /// Stored name of the command.
    pub command: &'static str,
    /// Decodes command and reply, and handles them.
    pub handle: AnswerFn<S>,
}

/// Handles the rejection of one type of command.
pub struct RejectionHandler<S> {
    /// Stored name of the command.
    pub command: &'static str,
    /// Decodes command and error, and handles them.
    pub handle: AnswerFn<S>,
}

/// Takes a command and the answer to it, both encoded.
pub type AnswerFn<S> =
    Box<dyn Fn(&mut S, &[u8], &[u8], &Payloads, &Context<'_>, &mut Effects) -> Result<(), SagaError> + Send + Sync>;

impl<S: Saga> ReplyHandler<S> {
    /// Handles the reply to `C`.
    pub fn new<C: Command>(
        handle: impl Fn(&mut S, &C, &C::Reply, &Context<'_>, &mut Effects) -> Result<(), ContextError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { command: C::NAME, handle: answer::<S, C, C::Reply>(handle) }
    }
}

impl<S: Saga> RejectionHandler<S> {
    /// Handles the rejection of `C`.
    pub fn new<C: Command>(
        handle: impl Fn(&mut S, &C, &C::Error, &Context<'_>, &mut Effects) -> Result<(), ContextError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self { command: C::NAME, handle: answer::<S, C, C::Error>(handle) }
    }
}

fn answer<S: Saga, C: Command, A: serde::de::DeserializeOwned>(
    handle: impl Fn(&mut S, &C, &A, &Context<'_>, &mut Effects) -> Result<(), ContextError> + Send + Sync + 'static,
) -> AnswerFn<S> {
    Box::new(move |saga, command, answer, payloads, context, effects| {
        let command: C = payloads.decode(command).map_err(|source| SagaError::command(C::NAME, source))?;
        let answer: A = payloads.decode(answer).map_err(|source| SagaError::command(C::NAME, source))?;
        Ok(handle(saga, &command, &answer, context, effects)?)
    })
}

/// Handles the end of an instance of one type of saga.
pub struct EndHandler<S> {
    /// Stored name of the saga that has ended.
    pub saga: &'static str,
    /// Decodes its state, and handles it.
    pub handle: EndFn<S>,
}

type EndFn<S> =
    Box<dyn Fn(&mut S, &ChildEnd<&[u8]>, &Payloads, &Context<'_>, &mut Effects) -> Result<(), SagaError> + Send + Sync>;

/// A saga that another one has begun, at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChildEnd<S> {
    /// The instance.
    pub id: SagaId,
    /// The effect by which it was begun.
    pub effect: CommandId,
    /// How it has ended.
    pub status: SagaStatus,
    /// Its last state.
    pub state: S,
}

impl<S> ChildEnd<S> {
    pub(crate) fn new(id: SagaId, effect: CommandId, status: SagaStatus, state: S) -> Self {
        Self { id, effect, status, state }
    }
}

impl<S: Saga> EndHandler<S> {
    /// Handles the end of an instance of `C`.
    pub fn new<C: Saga>(
        handle: impl Fn(&mut S, &ChildEnd<C>, &Context<'_>, &mut Effects) -> Result<(), ContextError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let decode_and_handle = move |saga: &mut S,
                                      end: &ChildEnd<&[u8]>,
                                      payloads: &Payloads,
                                      context: &Context<'_>,
                                      effects: &mut Effects| {
            let state = payloads.decode(end.state).map_err(|source| SagaError::State { saga: C::NAME, source })?;
            let end = ChildEnd { id: end.id, effect: end.effect, status: end.status, state };
            Ok(handle(saga, &end, context, effects)?)
        };
        Self { saga: C::NAME, handle: Box::new(decode_and_handle) }
    }
}

/// Handles one deadline.
pub struct DeadlineHandler<S> {
    /// The name, as in `#[deadline("reservation")]`.
    pub name: &'static str,
    /// Handles it.
    pub handle: BeginFn<S>,
}

macro_rules! shown {
    ($($handler:ident by $field:ident),+) => {$(
        impl<S> fmt::Debug for $handler<S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($handler)).field(stringify!($field), &self.$field).finish_non_exhaustive()
            }
        }
    )+};
}

shown!(ReplyHandler by command, RejectionHandler by command, EndHandler by saga, DeadlineHandler by name);
