//! Transient or permanent: told by the types of an error and of its causes.

use std::any::TypeId;
use std::error::Error;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::handler::error::causes;
use crate::handler::{ContextError, FailureClass, HandlerError};
use crate::message::{CodecError, Command};
use crate::query::QueryError;
use crate::store::{AppendError, Conflict, LimitError, ReadError, StoreError};

use super::error::{CommandError, CommandFailure, SendError};

/// What the outermost of `error` and its causes says of which something is known; `None` if nothing is known of any.
pub(super) fn class_of(error: &(dyn Error + 'static)) -> Option<FailureClass> {
    causes(error).find_map(class_of_one)
}

pub(crate) fn class_of_one(error: &(dyn Error + 'static)) -> Option<FailureClass> {
    if let Some(failure) = error.downcast_ref::<CommandFailure>() {
        return Some(class(failure.is_transient()));
    }
    if let Some(error) = error.downcast_ref::<CommandError>() {
        return Some(class(matches!(error, CommandError::Failed(failure) if failure.is_transient())));
    }
    if let Some(error) = error.downcast_ref::<AppendError>() {
        return Some(class(error.is_transient() || matches!(error, AppendError::Conflict(_))));
    }
    if let Some(error) = error.downcast_ref::<ReadError>() {
        return Some(class(matches!(error, ReadError::Unavailable { .. })));
    }
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return Some(class(!matches!(error, StoreError::Limit(_))));
    }
    if let Some(error) = error.downcast_ref::<QueryError>() {
        return match error {
            QueryError::Stale { .. } => Some(FailureClass::Transient),
            QueryError::Failed { .. } => None,
            _ => Some(FailureClass::Permanent),
        };
    }
    if error.is::<Conflict>() {
        return Some(FailureClass::Transient);
    }
    let permanent = error.is::<LimitError>() || error.is::<CodecError>() || error.is::<ContextError>();
    permanent.then_some(FailureClass::Permanent)
}

fn class(transient: bool) -> FailureClass {
    if transient { FailureClass::Transient } else { FailureClass::Permanent }
}

/// Tells what became of a command that a handler sent: a [`SendError`] has a type for each command, which can only be told
/// by who knows the commands.
#[derive(Clone, Default)]
pub(crate) struct Senders(Arc<[Tell]>);

/// Tells an error, if it is of a type that it knows.
type Tell = fn(&(dyn Error + 'static)) -> Option<FailureClass>;

/// How the [`SendError`]s of one kind of command are told.
#[derive(Clone, Copy)]
pub(crate) struct Sender {
    error: TypeId,
    class: Tell,
}

impl Sender {
    /// Those of the command `C`.
    pub(crate) fn of<C: Command>(_: PhantomData<fn() -> C>) -> Self {
        Self {
            error: TypeId::of::<C::Error>(),
            class: |error| match error.downcast_ref::<SendError<C::Error>>()? {
                SendError::Rejected(_) => Some(FailureClass::Permanent),
                SendError::Failed(failure) => Some(class(failure.is_transient())),
            },
        }
    }
}

impl Senders {
    pub(crate) fn new(senders: impl Iterator<Item = Sender>) -> Self {
        let mut known: Vec<Sender> = Vec::new();
        for sender in senders {
            if !known.iter().any(|other| other.error == sender.error) {
                known.push(sender);
            }
        }
        Self(known.into_iter().map(|sender| sender.class).collect())
    }

    /// The handler of `command` has failed with `error`.
    pub(super) fn failure(&self, command: &'static str, error: HandlerError) -> CommandFailure {
        let told = |error| self.0.iter().find_map(|class| class(error)).or_else(|| class_of_one(error));
        match error.class().or_else(|| causes(error.source()).find_map(told)) {
            None => CommandFailure::handler(command, error),
            Some(class) => CommandFailure::Handler { command: command.to_owned(), source: error.into_source(), class },
        }
    }
}
