//! Interceptors: code around every command.

use std::sync::Arc;

use async_trait::async_trait;

use super::message::{CommandMessage, CommandResult};

/// Code around a command: before it goes on, after its result, or instead.
///
/// Around dispatch it runs in the caller's task, before the command finds its handler. Around handling it runs when it is
/// the command's turn at its aggregate: one command at a time is between the interceptor and its decision. Once decided,
/// the next command may enter while the append of the one before is committed, so that what follows `next.run(..)` runs
/// beside other commands. A decision that is taken again does not pass the interceptors again. Interceptors run in the
/// order in which they were added.
///
/// ```
/// use annals::command::{CommandFailure, CommandInterceptor, CommandMessage, CommandResult, Next};
///
/// /// Refuses commands that nobody signed.
/// struct SignedOnly;
///
/// #[async_trait::async_trait]
/// impl CommandInterceptor for SignedOnly {
///     async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
///         if command.metadata.get("user").is_none() {
///             return Err(CommandFailure::Refused { reason: "sign in first".into() }.into());
///         }
///         next.run(command).await
///     }
/// }
/// ```
#[async_trait]
pub trait CommandInterceptor: Send + Sync + 'static {
    /// Handles `command`, usually by handing it, changed or not, to `next`.
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult;
}

/// The rest of the way to the handler.
pub struct Next<'a> {
    rest: &'a [Arc<dyn CommandInterceptor>],
    last: &'a dyn Last,
}

/// What stands behind the last interceptor.
#[async_trait]
pub(crate) trait Last: Send + Sync {
    async fn run(&self, command: CommandMessage) -> CommandResult;
}

impl<'a> Next<'a> {
    pub(crate) fn new(interceptors: &'a [Arc<dyn CommandInterceptor>], last: &'a dyn Last) -> Self {
        Self { rest: interceptors, last }
    }

    /// Goes on.
    ///
    /// # Errors
    /// What the handler or a later interceptor ends in.
    pub async fn run(self, command: CommandMessage) -> CommandResult {
        match self.rest.split_first() {
            Some((first, rest)) => first.intercept(command, Next { rest, last: self.last }).await,
            None => self.last.run(command).await,
        }
    }
}

impl std::fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Next").field("interceptors", &self.rest.len()).finish_non_exhaustive()
    }
}
