//! Handlers outside aggregates.

use futures_util::future::BoxFuture;

use crate::aggregate::Refusal;
use crate::handler::{Context, HandlerError, Requirement};
use crate::message::{Command, DomainError};

use super::error::SendError;
use super::work::UnitOfWork;

/// The command `Self` is handled by the component `H`, which is no aggregate: it may do I/O, and emits no events.
/// `#[command_handlers]` implements it for each `async` method with `#[handle]`.
pub trait ServedBy<H>: Command {
    /// Whether commands of `H` with the same routing key ([`Command::routing_key`]) go one after the other on this node:
    /// `#[handle(sequential)]`. By default they do not, since most of what is done outside waits for others, and what may
    /// not overlap is best kept by an aggregate.
    const SEQUENTIAL: bool = false;

    /// Handles the command. `component` is missing only where no handler of the block takes `&self`. What was decided in
    /// `work` is stored when it returns `Ok`; after a conflict it is called again.
    fn serve<'a>(
        &'a self,
        component: Option<&'a H>,
        context: &'a Context<'a>,
        work: &'a mut UnitOfWork,
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
    note = "expected the error of the command, `{E}`, or `HandlerError`, which takes every error by `?`",
    note = "with a unit of work also `SendError<{E}>`, which `work.execute(..)` gives"
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

impl<E: DomainError> IntoRefusal<E> for SendError<E> {
    fn into_refusal(self) -> Refusal<E> {
        match self {
            Self::Rejected(error) => Refusal::Rejected(error),
            Self::Failed(failure) => Refusal::Failed(failure.into()),
        }
    }
}

impl<E> IntoRefusal<E> for HandlerError {
    fn into_refusal(self) -> Refusal<E> {
        Refusal::Failed(self)
    }
}
