//! Dry runs: what would come of a command.

use std::fmt;
use std::future::IntoFuture;

use futures_util::future::BoxFuture;

use crate::message::{Command, Position, Version};
use crate::store::NewEvent;

use super::error::SendError;
use super::gateway::SendCall;

/// What would have come of a command.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Trial<R> {
    /// The handler's reply.
    pub reply: R,
    /// The events that it would have stored, as they would have been; their ids are of no use.
    pub events: Vec<NewEvent>,
    /// The version of the target on which it was decided; `None` where it does not exist, or the command has no stream.
    pub version: Option<Version>,
    /// The position of the newest event that the decision saw.
    pub position: Position,
}

/// A command about to be tried: await it.
///
/// # Errors
/// As sending the command: [`SendError::Rejected`] where the domain says no.
#[must_use = "a command is tried when the call is awaited"]
pub struct TrialCall<C>(SendCall<C>);

impl<C> TrialCall<C> {
    pub(super) fn new(call: SendCall<C>) -> Self {
        Self(call)
    }
}

impl<C: Command> IntoFuture for TrialCall<C> {
    type Output = Result<Trial<C::Reply>, SendError<C::Error>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (reply, executed) = self.0.executed().await?;
            let events = executed.trial.unwrap_or_default();
            Ok(Trial { reply, events, version: executed.version, position: executed.position })
        })
    }
}

impl<C> fmt::Debug for TrialCall<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrialCall").field(&self.0).finish()
    }
}
