//! Handlers outside aggregates.

use futures_util::future::BoxFuture;

use crate::aggregate::Refusal;
use crate::handler::{Context, HandlerError, Requirement};
use crate::message::{Command, DomainError};

/// The command `Self` is handled by the component `H`, which is no aggregate: it may do I/O, and emits no events.
/// `#[command_handlers]` implements it for each `async` method with `#[handle]`.
pub trait ServedBy<H>: Command {
    /// Handles the command. `component` is missing only where no handler of the block takes `&self`.
    fn serve<'a>(
        &'a self,
        component: Option<&'a H>,
        context: &'a Context<'a>,
    ) -> BoxFuture<'a, Result<Self::Reply, Refusal<Self::Error>>>;

    /// What the handler's parameters need.
    fn requirements() -> Vec<Requirement> {
        Vec::new()
    }
}

/// What the error of a handler outside aggregates means: the command's own error is a rejection, a [`HandlerError`] a
/// technical failure that is tried again.
#[diagnostic::on_unimplemented(
    message = "a command handler cannot fail with `{Self}`",
    note = "expected the error of the command, `{E}`, or `HandlerError`, which takes every error by `?`"
)]
pub trait IntoRefusal<E> {
    /// The refusal.
    fn into_refusal(self) -> Refusal<E>;
}

impl<E: DomainError> IntoRefusal<E> for E {
    fn into_refusal(self) -> Refusal<E> {
        Refusal::Rejected(self)
    }
}

impl<E> IntoRefusal<E> for HandlerError {
    fn into_refusal(self) -> Refusal<E> {
        Refusal::Failed(self)
    }
}
