//! The inputs of a saga, and what handles them.

use std::fmt;

use crate::handler::{Context, ContextError, Requirement};
use crate::message::{Command, Decode, Payloads, UpcastError};
use crate::store::Association;

use super::Saga;
use super::effects::Effects;
use super::error::SagaError;
use super::steps::Steps;

/// The handlers of a saga. `#[saga_handlers]` implements it.
#[diagnostic::on_unimplemented(
    message = "the saga `{Self}` has no handlers",
    note = "add an `impl {Self}` block with `#[saga_handlers]`"
)]
pub trait SagaHandlers: Saga {
    /// Names of the events that the saga takes.
    const EVENTS: &'static [&'static str];

    /// Decodes `event` and says which instance it concerns, and how; `None` for an event that the saga does not take.
    ///
    /// # Errors
    /// When the event cannot be decoded.
    fn route(event: Decode<'_>) -> Result<Option<SagaInput<Self>>, UpcastError>;

    /// What handles the rejection of a command that the saga sent.
    fn rejections() -> Vec<RejectionHandler<Self>> {
        Vec::new()
    }

    /// What handles a deadline.
    fn deadlines() -> Vec<DeadlineHandler<Self>> {
        Vec::new()
    }

    /// The declared list of steps, where there is one.
    fn steps() -> Option<Steps<Self>> {
        None
    }

    /// What the parameters of the handlers need.
    fn requirements() -> Vec<Requirement> {
        Vec::new()
    }
}

/// What an event means to the life of a saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SagaRole {
    /// `#[start]`: begins an instance where none has the association.
    Start,
    /// `#[handle]`: goes to the instances that have the association; to none if there is none.
    Handle,
    /// `#[end]`: as `Handle`, and the instance has then ended.
    End,
}

/// One event on its way into a saga.
pub struct SagaInput<S> {
    /// What it means to the saga's life.
    pub role: SagaRole,
    /// By what the instance is found.
    pub association: Association,
    /// Handles the event.
    pub handle: HandleFn<S>,
}

/// Called once for each instance that the event concerns.
type HandleFn<S> = Box<dyn Fn(&mut S, &Context<'_>, &mut Effects) -> Result<(), ContextError> + Send>;

impl<S: Saga> SagaInput<S> {
    /// An input for the instance whose association `key` has the text of `value`.
    pub fn new(
        role: SagaRole,
        key: &str,
        value: &dyn fmt::Display,
        handle: impl Fn(&mut S, &Context<'_>, &mut Effects) -> Result<(), ContextError> + Send + 'static,
    ) -> Self {
        let association = Association { key: key.to_owned(), value: value.to_string() };
        Self { role, association, handle: Box::new(handle) }
    }
}

impl<S> fmt::Debug for SagaInput<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SagaInput")
            .field("role", &self.role)
            .field("association", &self.association)
            .finish_non_exhaustive()
    }
}

/// Handles the rejection of one type of command.
pub struct RejectionHandler<S> {
    /// Stored name of the command.
    pub command: &'static str,
    /// Decodes command and error, and handles them.
    pub handle: RejectionFn<S>,
}

type RejectionFn<S> =
    Box<dyn Fn(&mut S, &[u8], &[u8], &Payloads, &Context<'_>, &mut Effects) -> Result<(), SagaError> + Send + Sync>;

impl<S: Saga> RejectionHandler<S> {
    /// Handles the rejection of `C`.
    pub fn new<C: Command>(
        handle: impl Fn(&mut S, &C, &C::Error, &Context<'_>, &mut Effects) -> Result<(), ContextError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let decode_and_handle = move |saga: &mut S,
                                      command: &[u8],
                                      error: &[u8],
                                      payloads: &Payloads,
                                      context: &Context<'_>,
                                      effects: &mut Effects| {
            let command: C = payloads.decode(command).map_err(|source| SagaError::command(C::NAME, source))?;
            let error: C::Error = payloads.decode(error).map_err(|source| SagaError::command(C::NAME, source))?;
            Ok(handle(saga, &command, &error, context, effects)?)
        };
        Self { command: C::NAME, handle: Box::new(decode_and_handle) }
    }
}

impl<S> fmt::Debug for RejectionHandler<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RejectionHandler").field("command", &self.command).finish_non_exhaustive()
    }
}

/// Handles one deadline.
pub struct DeadlineHandler<S> {
    /// The name, as in `#[deadline("reservation")]`.
    pub name: &'static str,
    /// Handles it.
    pub handle: fn(&mut S, &Context<'_>, &mut Effects) -> Result<(), ContextError>,
}

impl<S> fmt::Debug for DeadlineHandler<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineHandler").field("name", &self.name).finish_non_exhaustive()
    }
}
