//! The unit of work: several decisions, one atomic append.

mod draft;
mod hooks;

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::aggregate::{Aggregate, Repository, Sourced};
use crate::handler::{HandlerError, Resources};
use crate::message::{Command, Event, EventId, Metadata, StreamId};
use crate::store::NewEvent;

use super::bus::{CommandBus, reply_of};
use super::error::{CommandError, CommandFailure, SendError};
use super::execute::Executor;
use super::gateway::{Gateway, foreign};
use super::message::CommandMessage;

pub(crate) use draft::Draft;
pub(crate) use hooks::Hooks;

/// Several decisions that are stored together, or not at all: a parameter `work: &mut UnitOfWork` of a handler outside
/// aggregates.
///
/// Commands that are [executed](Self::execute) in it are decided at once, each on the state that those before it have
/// left, and their events are stored in one atomic append when the handler has returned `Ok`. If an aggregate has changed
/// meanwhile, or anything has happened inside a boundary that was read, nothing is stored, and the handler runs again on
/// what is there now: whatever it does elsewhere belongs into [`after_commit`](Self::after_commit).
///
/// | phase | runs | for |
/// |---|---|---|
/// | the handler | again after a conflict | deciding |
/// | [`before_commit`](Self::before_commit) | in order, after the handler has returned `Ok` | last decisions; an error rolls back |
/// | commit | | events, expectations, the record of the command: one append |
/// | [`after_commit`](Self::after_commit), [`send`](Self::send) | in order, once | what others may see only then |
/// | [`on_roll_back`](Self::on_roll_back) | in order, for each run that stored nothing | undoing |
///
/// ```
/// use annals::command::UnitOfWork;
/// use annals::prelude::*;
/// use annals::SendError;
///
/// # #[derive(thiserror::Error, Serialize, Deserialize, Debug)]
/// # enum BankError { #[error("not enough")] NotEnough }
/// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "account.withdraw", error = BankError)]
/// # struct Withdraw { #[target] account: String, amount: u64 }
/// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "account.deposit", error = BankError)]
/// # struct Deposit { #[target] account: String, amount: u64 }
/// #[derive(Command, Serialize, Deserialize, Clone)]
/// #[command(name = "bank.transfer", error = BankError)]
/// struct Transfer { from: String, to: String, amount: u64 }
///
/// struct Bank;
///
/// #[command_handlers]
/// impl Bank {
///     #[handle]
///     async fn transfer(command: Transfer, work: &mut UnitOfWork) -> Result<(), SendError<BankError>> {
///         let Transfer { from, to, amount } = command;
///         work.execute(Withdraw { account: from, amount }).await?;
///         work.execute(Deposit { account: to, amount }).await?;
///         Ok(())
///     }
/// }
/// ```
///
/// Interceptors see the command that began the unit, and not those that are executed in it.
pub struct UnitOfWork {
    executor: Executor,
    /// What everything in the unit carries.
    metadata: Metadata,
    draft: Draft,
    hooks: Hooks,
    resources: Resources,
}

impl UnitOfWork {
    pub(crate) fn new(executor: Executor, message: &CommandMessage) -> Self {
        let draft = Draft::new(executor.journal.now());
        Self {
            metadata: message.metadata.caused_by_command(message.id),
            executor,
            draft,
            hooks: Hooks::default(),
            resources: Resources::default(),
        }
    }

    /// Decides on `command` within this unit: on the state with everything that was decided before, and with its events
    /// stored when the unit commits.
    ///
    /// # Errors
    /// [`SendError::Rejected`] when the domain says no: then the command has left no trace, and the handler may go on.
    /// [`SendError::Failed`] when the machinery failed, and for a command that is handled outside aggregates, or whose
    /// handler asks for models.
    pub async fn execute<C: Command>(&mut self, command: C) -> Result<C::Reply, SendError<C::Error>> {
        let mut message = CommandMessage::new(command);
        message.metadata = self.metadata.clone();
        message.metadata.correlate(message.id);
        let bus = self.bus()?;
        match bus.decide_in(&message, &mut self.draft).await {
            Ok(executed) => Ok(reply_of::<C>(executed.reply).ok_or_else(|| foreign::<C>("reply"))?),
            Err(CommandError::Failed(failure)) => Err(SendError::Failed(failure)),
            Err(CommandError::Rejected(rejection)) => {
                Err(SendError::Rejected(rejection.into_error().ok_or_else(|| foreign::<C>("error"))?))
            }
        }
    }

    /// The state of an aggregate within this unit; `None` when it has no events. It has to be the same when the unit
    /// commits.
    ///
    /// # Errors
    /// When the events cannot be read or applied.
    pub async fn aggregate<A: Aggregate>(&mut self, id: impl ToString) -> Result<Option<Sourced<A>>, CommandFailure> {
        let id = id.to_string();
        let stream = StreamId::new(A::NAME, &*id);
        if self.draft.state::<A>(&stream).is_none() {
            let loaded = Repository::<A>::new(self.executor.journal.clone()).load(&id).await?;
            self.draft.loaded(&stream, loaded);
        }
        Ok(self.draft.state::<A>(&stream).cloned().flatten())
    }

    /// Stores `event` in `stream` when the unit commits, whatever has happened there.
    ///
    /// # Errors
    /// When the codec cannot express it.
    pub fn publish<E: Event>(&mut self, stream: StreamId, event: &E) -> Result<(), CommandFailure> {
        let payload = self.executor.journal.payloads().encode(event);
        let payload = payload.map_err(|source| CommandFailure::Codec { name: E::NAME.to_owned(), source })?;
        self.draft.events.push(NewEvent {
            stream,
            id: EventId::new(),
            name: E::NAME.into(),
            revision: E::REVISION,
            payload,
            metadata: Arc::new(self.metadata.clone()),
            tags: event.tags(),
            recorded_at: self.draft.now,
        });
        Ok(())
    }

    /// Sends `command` once the unit is committed. Nobody waits for it, a failure is reported to the log, and it is lost
    /// if the process ends in between: what must happen is for a saga to send.
    pub fn send<C: Command>(&mut self, command: C) -> Result<(), CommandFailure> {
        let call = self.gateway()?.carrying(self.metadata.clone()).send(command);
        self.after_commit(async move {
            tokio::spawn(async move {
                if let Err(error) = call.await {
                    tracing::error!(command = C::NAME, %error, "a command that was sent after a commit was not executed");
                }
            });
        });
        Ok(())
    }

    /// Runs `last` after the handler has returned `Ok`, before anything is stored. It may go on in the unit; what it adds
    /// here runs as well.
    pub fn before_commit(
        &mut self,
        last: impl for<'a> FnOnce(&'a mut Self) -> BoxFuture<'a, Result<(), HandlerError>> + Send + 'static,
    ) {
        self.hooks.before_commit(last);
    }

    /// Runs `action` once everything is stored, before the command is answered. A panic in it is reported to the log.
    pub fn after_commit(&mut self, action: impl Future<Output = ()> + Send + 'static) {
        self.hooks.after_commit(action);
    }

    /// Runs `action` when nothing is stored of this run: after an error of the handler, a conflict, or a failure of the
    /// store. With an unknown outcome it runs as well.
    pub fn on_roll_back(&mut self, action: impl Future<Output = ()> + Send + 'static) {
        self.hooks.on_roll_back(action);
    }

    /// Keeps `value` for what else runs in this unit, one of each type.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.resources.insert(value);
    }

    /// The value of this type that was kept for this unit.
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.resources.get()
    }

    fn gateway(&self) -> Result<&Gateway, CommandFailure> {
        let gateway = self.executor.resources.get::<Gateway>();
        gateway.ok_or_else(|| CommandFailure::Refused { reason: "the application has no gateway".to_owned() })
    }

    fn bus(&self) -> Result<Arc<CommandBus>, CommandFailure> {
        self.gateway()?.bus()
    }

    /// Runs what is to run last, and gives what is to be stored.
    ///
    /// # Errors
    /// When a last action fails.
    pub(crate) async fn prepared(&mut self) -> Result<(), HandlerError> {
        while let Some(last) = self.hooks.next_before_commit() {
            last(self).await?;
        }
        Ok(())
    }

    /// What is to be stored, and what runs after it.
    pub(crate) fn into_parts(self) -> (Draft, Hooks) {
        (self.draft, self.hooks)
    }
}

impl fmt::Debug for UnitOfWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnitOfWork").field("events", &self.draft.events.len()).finish_non_exhaustive()
    }
}
