//! The gateway: how applications and handlers send commands.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::handler::{Context, ContextError, FromContext, Requirement};
use crate::message::{Command, CommandId, Metadata, Position, StreamId, Version};
use crate::store::Expected;

use super::bus::{CommandBus, reply_of};
use super::error::{CommandError, CommandFailure, SendError};
use super::message::{CommandMessage, Executed, Priority, Purpose};
use super::retry::{self, RetryPolicy};
use super::trial::TrialCall;
use super::work::UnitOfWork;

/// Sends commands. A handler outside aggregates may take it as a parameter; what it sends then carries on the
/// correlation of the message that is handled. An event handler cannot send through it, since its transaction holds the
/// right to write: that is what a saga is for.
#[derive(Clone)]
pub struct Gateway {
    bus: Arc<OnceLock<Weak<CommandBus>>>,
    /// Whether the application has ended.
    stopped: Arc<AtomicBool>,
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
        Self { bus: Arc::default(), stopped: Arc::default(), carried: Metadata::new() }
    }

    /// Has all clones send to `bus`.
    pub(crate) fn connect(&self, bus: &Arc<CommandBus>) {
        // Only start-up connects, and only once.
        let _ = self.bus.set(Arc::downgrade(bus));
    }

    /// Has all clones send nothing any more.
    pub(crate) fn disconnect(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// Sends `command`; await the call, after changing what is to be changed.
    pub fn send<C: Command>(&self, command: C) -> SendCall<C> {
        let mut message = CommandMessage::new(command);
        message.metadata = self.carried.clone();
        SendCall { gateway: self.clone(), message, timeout: None, retry: None, command: PhantomData }
    }

    async fn dispatch(&self, message: CommandMessage, retry: Option<&RetryPolicy>) -> Result<Executed, CommandError> {
        if crate::store::is_held() {
            let reason = format!(
                "`{}` was sent by a task that holds a transaction, and would wait for itself: send it from a saga, or \
                 execute it in the unit of work that has the transaction",
                message.name
            );
            return Err(CommandFailure::Refused { reason }.into());
        }
        let bus = self.bus()?;
        match retry.or_else(|| bus.retries(message.name)) {
            None => bus.dispatch(message).await,
            // What is rare is boxed: the future of a plain command stays small.
            Some(policy) => Box::pin(retry::dispatch(&bus, policy, message)).await,
        }
    }

    /// The bus, while the application runs.
    pub(super) fn bus(&self) -> Result<Arc<CommandBus>, CommandFailure> {
        let connected = !self.stopped.load(Ordering::Acquire);
        let bus = self.bus.get().filter(|_| connected).and_then(Weak::upgrade);
        bus.ok_or_else(|| CommandFailure::Refused { reason: "the application is shut down".to_owned() })
    }

    /// A unit of work of the caller's own, which the caller commits.
    ///
    /// # Errors
    /// [`CommandFailure::Refused`] when the application is shut down.
    pub fn unit_of_work(&self) -> Result<UnitOfWork, CommandFailure> {
        Ok(self.bus()?.unit_of_work(self.carried.clone()))
    }

    /// The same gateway, for commands that carry `metadata`.
    pub(super) fn carrying(&self, metadata: Metadata) -> Self {
        Self { carried: metadata, ..self.clone() }
    }
}

impl FromContext for Gateway {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        let gateway: &Self = context.reference()?;
        Ok(Self { bus: Arc::clone(&gateway.bus), stopped: Arc::clone(&gateway.stopped), carried: context.carried() })
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
    retry: Option<RetryPolicy>,
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

    /// The id under which it is sent.
    pub(crate) fn command_id(&self) -> CommandId {
        self.message.id
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

    /// Finds out what would come of the command: it is decided as always, and nothing is stored. Await the call for a
    /// [`Trial`](super::Trial). A unique value that another aggregate has is reported, and none is taken.
    pub fn dry_run(mut self) -> TrialCall<C> {
        self.message.purpose = Purpose::Trial;
        TrialCall::new(self)
    }

    /// Goes before commands of a lower priority where it has to wait for its turn. Default [`Priority::Normal`].
    ///
    /// ```
    /// # use annals::prelude::*;
    /// use annals::command::Priority;
    ///
    /// # #[derive(Command, Serialize, Deserialize)] #[command(name = "order.cancel")] struct Cancel {}
    /// # async fn example(app: Annals) -> annals::Result<()> {
    /// app.send(Cancel {}).priority(Priority::High).await?;
    /// # Ok(()) }
    /// ```
    pub fn priority(mut self, priority: Priority) -> Self {
        self.message.priority = priority;
        self
    }

    /// Sends the command again as `policy` says where it fails, in place of what the application says.
    ///
    /// ```
    /// # use annals::prelude::*;
    /// use annals::command::RetryPolicy;
    ///
    /// # #[derive(Command, Serialize, Deserialize)] #[command(name = "order.cancel")] struct Cancel {}
    /// # async fn example(app: Annals) -> annals::Result<()> {
    /// app.send(Cancel {}).retry(RetryPolicy::transient().attempts(5)).await?;
    /// # Ok(()) }
    /// ```
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Waits at most so long for the answer, however often the command is tried. It may still be executed afterwards.
    pub fn timeout(mut self, after: Duration) -> Self {
        self.timeout = Some(after);
        self
    }
}

impl<C: Command> SendCall<C> {
    /// Sends, and waits for what comes of it.
    pub(super) async fn executed(self) -> Result<(C::Reply, Executed), SendError<C::Error>> {
        let dispatched = self.gateway.dispatch(self.message, self.retry.as_ref());
        let result = match self.timeout {
            None => dispatched.await,
            Some(after) => match Box::pin(tokio::time::timeout(after, dispatched)).await {
                Ok(result) => result,
                Err(_) => Err(CommandFailure::Timeout { after }.into()),
            },
        };
        match result {
            Ok(mut executed) => {
                let reply = std::mem::replace(&mut executed.reply, Box::new(()));
                let reply = reply_of::<C>(reply).ok_or_else(|| foreign::<C>("reply"))?;
                Ok((reply, executed))
            }
            Err(CommandError::Failed(failure)) => Err(SendError::Failed(failure)),
            Err(CommandError::Rejected(rejection)) => {
                Err(SendError::Rejected(rejection.into_error().ok_or_else(|| foreign::<C>("error"))?))
            }
        }
    }
}

impl<C: Command> IntoFuture for SendCall<C> {
    type Output = Result<Sent<C::Reply>, SendError<C::Error>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let command = self.message.id;
            let (reply, Executed { version, position, stream, repeated, .. }) = self.executed().await?;
            Ok(Sent { reply, version, position, stream, command, repeated })
        })
    }
}

impl<C> fmt::Debug for SendCall<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.fmt(f)
    }
}

/// An interceptor answered with something that is not the command's.
pub(super) fn foreign<C: Command>(what: &str) -> CommandFailure {
    CommandFailure::Refused { reason: format!("an interceptor gave a {what} that `{}` does not have", C::NAME) }
}
