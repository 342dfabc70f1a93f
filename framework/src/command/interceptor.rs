//! Interceptors: code around every command.

use std::sync::Arc;

use async_trait::async_trait;

use super::message::{CommandMessage, CommandResult};

/// Code around a command: before it goes on, after its result, or instead.
///
/// Around dispatch it runs in the caller's task, before the command finds its handler. Around handling it runs when it is
/// the command's turn at its aggregate: one command at a time is between the interceptor and its decision. Once decided,
/// the next command may enter while the append of the one before is committed, so that what follows `next.run(..)` runs
/// beside other commands. A decision that is taken again does not pass the interceptors again.
///
/// Interceptors run in the order in which they were added to the builder: those of all commands, those of one component and
/// those of one command in the same row, and all around dispatch before all around handling.
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

/// Interceptors in their order.
pub(crate) type Interceptors = Arc<[Arc<dyn CommandInterceptor>]>;

/// The rest of the way to the handler.
pub struct Next<'a> {
    interceptors: &'a Interceptors,
    /// The place of the next one.
    at: usize,
    last: Behind<'a>,
}

/// What stands behind the last interceptor.
#[derive(Clone, Copy)]
enum Behind<'a> {
    /// Something of this one command.
    Borrowed(&'a dyn Last),
    /// Something that lasts as long as the application.
    Shared(&'a Arc<dyn Last>),
}

/// Handles what the last interceptor hands on.
#[async_trait]
pub(crate) trait Last: Send + Sync {
    async fn run(&self, command: CommandMessage) -> CommandResult;
}

impl<'a> Next<'a> {
    pub(crate) fn new(interceptors: &'a Interceptors, last: &'a dyn Last) -> Self {
        Self { interceptors, at: 0, last: Behind::Borrowed(last) }
    }

    /// A way that can be kept.
    pub(crate) fn shared(interceptors: &'a Interceptors, last: &'a Arc<dyn Last>) -> Self {
        Self { interceptors, at: 0, last: Behind::Shared(last) }
    }

    /// Goes on.
    ///
    /// # Errors
    /// What the handler or a later interceptor ends in.
    pub async fn run(self, command: CommandMessage) -> CommandResult {
        match (self.interceptors.get(self.at), self.last) {
            (Some(next), _) => next.intercept(command, Next { at: self.at + 1, ..self }).await,
            (None, Behind::Borrowed(last)) => last.run(command).await,
            (None, Behind::Shared(last)) => last.run(command).await,
        }
    }

    /// The same way, to keep, to send commands on it from another task, or more than once. There is one around dispatch
    /// alone: around handling the way ends with the turn of the command.
    #[must_use]
    pub fn keep(&self) -> Option<Onward> {
        match self.last {
            Behind::Borrowed(_) => None,
            Behind::Shared(last) => {
                Some(Onward { interceptors: Arc::clone(self.interceptors), at: self.at, last: Arc::clone(last) })
            }
        }
    }
}

impl std::fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let left = self.interceptors.len().saturating_sub(self.at);
        f.debug_struct("Next").field("interceptors", &left).finish_non_exhaustive()
    }
}

/// The rest of the way to the handler, to keep: from [`Next::keep`].
#[derive(Clone)]
pub struct Onward {
    interceptors: Interceptors,
    at: usize,
    last: Arc<dyn Last>,
}

impl Onward {
    /// Goes on.
    ///
    /// # Errors
    /// What the handler or a later interceptor ends in.
    pub async fn run(&self, command: CommandMessage) -> CommandResult {
        Next { interceptors: &self.interceptors, at: self.at, last: Behind::Shared(&self.last) }.run(command).await
    }
}

impl std::fmt::Debug for Onward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Onward")
    }
}
