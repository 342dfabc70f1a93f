//! The gateway: how applications and handlers send commands.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::handler::{Context, ContextError, FromContext, Requirement};
use crate::message::{Command, CommandId, Metadata, Position, StreamId, Version};
use crate::store::Expected;

use super::bus::{CommandBus, reply_of};
use super::error::{CommandError, CommandFailure, SendError};
use super::message::{CommandMessage, Executed};

/// Sends commands. A handler outside aggregates may take it as a parameter; what it sends then carries on the
/// correlation of the message that is handled. An event handler cannot send through it, since its transaction holds the
/// right to write: that is what a saga is for.
#[derive(Clone)]
pub struct Gateway {
    bus: Arc<OnceLock<Weak<CommandBus>>>,
    carried: Metadata,
}

/// What the sender of an executed command gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent<R> {
    /// The handler's reply.
    pub reply: R,
    /// The newest version of the target's stream; `None` where the command has no stream.
    pub version: Option<Version>,
    /// The position of the newest event that the execution wrote or saw; for `app.query(..).after(&sent)`.
    pub position: Position,
    /// The target's stream; `None` where the command has none.
    pub stream: Option<StreamId>,
    /// The command's id.
    pub command: CommandId,
    /// Whether this is the answer of an earlier execution under the same id.
    pub repeated: bool,
}

impl Gateway {
    pub(crate) fn unconnected() -> Self {
        Self { bus: Arc::default(), carried: Metadata::new() }
    }

    /// Has all clones send to `bus`.
    pub(crate) fn connect(&self, bus: &Arc<CommandBus>) {
        // Only start-up connects, and only once.
        let _ = self.bus.set(Arc::downgrade(bus));
    }

    /// Sends `command`; await the call, after changing what is to be changed.
    pub fn send<C: Command>(&self, command: C) -> SendCall<C> {
        let mut message = CommandMessage::new(command);
        message.metadata = self.carried.clone();
        SendCall { gateway: self.clone(), message, timeout: None, command: PhantomData }
    }

    async fn dispatch(&self, message: CommandMessage) -> Result<Executed, CommandError> {
        if crate::store::is_held() {
            let reason = format!(
                "`{}` was sent inside the transaction of an event handler, and would wait for itself: send it from a saga",
                message.name
            );
            return Err(CommandFailure::Refused { reason }.into());
        }
        let bus = self.bus.get().and_then(Weak::upgrade);
        let bus = bus.ok_or_else(|| CommandFailure::Refused { reason: "the application is shut down".to_owned() })?;
        bus.dispatch(message).await
    }
}

impl FromContext for Gateway {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        let gateway: &Self = context.reference()?;
        let metadata = context.metadata();
        let carried = match (context.event_id(), context.command_id()) {
            (Some(event), _) => metadata.caused_by_event(event),
            (None, Some(command)) => metadata.caused_by_command(command),
            (None, None) => metadata.clone(),
        };
        Ok(Self { bus: Arc::clone(&gateway.bus), carried })
    }

    fn requirement() -> Requirement {
        Requirement::Gateway
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gateway")
    }
}

/// A command about to be sent: await it.
#[must_use = "a command is sent when the call is awaited"]
pub struct SendCall<C> {
    gateway: Gateway,
    message: CommandMessage,
    timeout: Option<Duration>,
    command: PhantomData<fn() -> C>,
}

impl<C: Command> SendCall<C> {
    /// Sends under this id. The outcome is recorded, so that a repeat under the same id gets the first answer, be it a
    /// reply or a rejection. A failure, such as that the target exists already or does not exist, is no outcome: a
    /// repeat is tried anew.
    pub fn id(mut self, id: CommandId) -> Self {
        self.message.id = id;
        self.message.recorded = true;
        self
    }

    /// Carries `value` under `key`; the events of the command carry it too.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.message.metadata.insert(key, value);
        self
    }

    /// Expects the target to be at `version`; else the command fails with a conflict, and the decision is not run
    /// again.
    pub fn expect(mut self, version: Version) -> Self {
        self.message.expected = Some(Expected::Version(version));
        self
    }

    /// Waits at most so long for the answer. The command may still be executed afterwards.
    pub fn timeout(mut self, after: Duration) -> Self {
        self.timeout = Some(after);
        self
    }
}

impl<C: Command> IntoFuture for SendCall<C> {
    type Output = Result<Sent<C::Reply>, SendError<C::Error>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let command = self.message.id;
            let dispatched = self.gateway.dispatch(self.message);
            let result = match self.timeout {
                None => dispatched.await,
                Some(after) => match tokio::time::timeout(after, dispatched).await {
                    Ok(result) => result,
                    Err(_) => Err(CommandFailure::Timeout { after }.into()),
                },
            };
            match result {
                Ok(Executed { version, position, stream, repeated, reply }) => {
                    let reply = reply_of::<C>(reply).ok_or_else(|| foreign::<C>("reply"))?;
                    Ok(Sent { reply, version, position, stream, command, repeated })
                }
                Err(CommandError::Failed(failure)) => Err(SendError::Failed(failure)),
                Err(CommandError::Rejected(rejection)) => {
                    Err(SendError::Rejected(rejection.into_error().ok_or_else(|| foreign::<C>("error"))?))
                }
            }
        })
    }
}

impl<C> fmt::Debug for SendCall<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.fmt(f)
    }
}

/// An interceptor answered with something that is not the command's.
fn foreign<C: Command>(what: &str) -> CommandFailure {
    CommandFailure::Refused { reason: format!("an interceptor gave a {what} that `{}` does not have", C::NAME) }
}
