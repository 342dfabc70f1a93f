//! The unit of work: several decisions, one atomic append.

mod commit;
mod draft;
mod hooks;
mod part;

use std::any::{Any, type_name};
use std::sync::Arc;
use std::{fmt, mem};

use futures_util::future::BoxFuture;

use crate::aggregate::{Aggregate, Decision, HandledBy, Repository, Sourced, evolve_pending, fold_boundary};
use crate::handler::{HandlerError, Resources};
use crate::message::{Command, Event, EventId, Metadata, Position, StreamId};
use crate::store::{Condition, Criteria, Hold, NewEvent, StoreError, StoreTransaction};

use super::brought::Needs;
use super::bus::{CommandBus, reply_of};
use super::error::{CommandError, CommandFailure, SendError};
use super::execute::Executor;
use super::gateway::{Gateway, foreign};
use super::message::CommandMessage;

pub(crate) use commit::NotStored;
pub(crate) use draft::Draft;
pub(crate) use hooks::Hooks;

/// How deep commands outside aggregates may lie in one another within a unit of work.
const DEPTH_LIMIT: usize = 32;

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
/// A command may itself be handled outside aggregates: its handler then works in this unit, and what it has decided and
/// put around the commit is undone if it fails. Interceptors see the command that began the unit, and not those that are
/// executed in it; nor do those wait for turns.
pub struct UnitOfWork {
    executor: Executor,
    /// What everything in the unit carries.
    metadata: Metadata,
    draft: Draft,
    hooks: Hooks,
    /// The transaction that it commits with, where it has one.
    joined: Option<Joined>,
    resources: Resources,
    /// Commands outside aggregates that lie around the one that is being decided.
    depth: usize,
}

impl UnitOfWork {
    pub(crate) fn new(executor: Executor, message: &CommandMessage) -> Self {
        Self::with(executor, message.metadata.caused_by_command(message.id))
    }

    fn with(executor: Executor, metadata: Metadata) -> Self {
        Self {
            draft: Draft::new(executor.journal.now()),
            metadata,
            executor,
            hooks: Hooks::default(),
            joined: None,
            resources: Resources::default(),
            depth: 0,
        }
    }

    /// Decides on `command` within this unit: on the state with everything that was decided before, and with its events
    /// stored when the unit commits.
    ///
    /// # Errors
    /// [`SendError::Rejected`] when the domain says no: then the command has left no trace, and the handler may go on.
    /// [`SendError::Failed`] when the machinery failed, and for a command that lies in 32 others.
    pub async fn execute<C: Command>(&mut self, command: C) -> Result<C::Reply, SendError<C::Error>> {
        let mut message = CommandMessage::new(command);
        message.metadata = self.metadata.clone();
        message.metadata.correlate(message.id);
        let bus = self.bus()?;
        match bus.decide_in(&message, self).await {
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
        self.loaded(&StreamId::new(A::NAME, id.to_string())).await
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

    /// Runs `action` when nothing is stored of this run: after an error or a panic of the handler, a conflict, or a failure
    /// of the store. With an unknown outcome it runs as well. Where nobody waits any more, since the sender went away or
    /// the unit was dropped, it runs in a task of its own.
    pub fn on_roll_back(&mut self, action: impl Future<Output = ()> + Send + 'static) {
        self.hooks.on_roll_back(action);
    }

    /// Joins a transaction of your own: a `sqlx::Transaction<'static, _>` on the store's own database. Its rows and what this
    /// unit decides are committed together, when the unit commits, and are rolled back together otherwise.
    ///
    /// What has to be so of the transaction stands at [`Store::join`](crate::store::Store::join). Go on writing rows with
    /// [`transaction`](Self::transaction). Until the unit has committed, the transaction may hold what others wait for: on
    /// SQLite the right to write. A command that the same task sends meanwhile, and does not execute in the unit, is
    /// refused, since both could wait for each other. Others wait, and so does
    /// [`Annals::shutdown`](crate::Annals::shutdown).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use annals::prelude::*;
    ///
    /// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "order.place")]
    /// # struct PlaceOrder { #[target] order: String }
    /// async fn place(app: &Annals, pool: &sqlx::SqlitePool) -> Result<(), Box<dyn std::error::Error>> {
    ///     let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    ///     sqlx::query("INSERT INTO letters VALUES ('o-1')").execute(&mut *transaction).await?;
    ///     let mut work = app.unit_of_work()?;
    ///     work.join(transaction).await?;
    ///     work.execute(PlaceOrder { order: "o-1".into() }).await?;
    ///     work.commit().await?;
    ///     Ok(())
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CommandFailure::Refused`] for a transaction in which the store cannot write, which is rolled back, and when the
    /// unit has one already; [`CommandFailure::Store`] when the database does not answer.
    pub async fn join(&mut self, transaction: impl Any + Send) -> Result<(), CommandFailure> {
        if self.joined.is_some() {
            let reason = "a unit of work joins one transaction, and this one has it already".to_owned();
            return Err(CommandFailure::Refused { reason });
        }
        let joined = self.executor.journal.store().join(Box::new(transaction)).await;
        let joined = joined.map_err(|error| match error {
            refused @ StoreError::NotJoined { .. } => CommandFailure::Refused { reason: refused.to_string() },
            other => other.into(),
        })?;
        self.joined = Some(Joined { transaction: joined, _hold: Hold::here() });
        Ok(())
    }

    /// The transaction with which this unit commits, to write rows of your own: the one that it has
    /// [joined](Self::join), or else a new one of the store's. `T` is the transaction of the backend,
    /// [`SqliteTransaction`](crate::store::SqliteTransaction) for example, which dereferences to its connection.
    ///
    /// Commands in the unit do not see what is written here before the commit.
    ///
    /// # Errors
    /// [`CommandFailure::Refused`] when the application has a store of another kind; [`CommandFailure::Store`] when none
    /// can be begun.
    pub async fn transaction<T: StoreTransaction + 'static>(&mut self) -> Result<&mut T, CommandFailure> {
        let joined = match self.joined.take() {
            Some(joined) => joined,
            None => {
                let mut transaction = self.executor.journal.store().begin().await?;
                if !transaction.as_any_mut().is::<T>() {
                    return Err(self.not_of_store::<T>());
                }
                Joined { transaction, _hold: Hold::here() }
            }
        };
        let refused = self.not_of_store::<T>();
        self.joined.insert(joined).transaction.as_any_mut().downcast_mut().ok_or(refused)
    }

    fn not_of_store<T>(&self) -> CommandFailure {
        let (store, wanted) = (self.executor.journal.store().address(), type_name::<T>());
        let wanted = wanted.rsplit("::").next().unwrap_or(wanted);
        let reason = format!("the store at `{store}` has no `{wanted}`: ask for the transaction of its own backend");
        CommandFailure::Refused { reason }
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

    /// The aggregate behind `stream` within this unit.
    pub(crate) async fn loaded<A: Aggregate>(
        &mut self,
        stream: &StreamId,
    ) -> Result<Option<Sourced<A>>, CommandFailure> {
        if let Some(state) = self.draft.state(stream) {
            return Ok(state.clone());
        }
        let journal = &self.executor.journal;
        match A::stored() {
            Some(rows) => {
                let row = rows.read(journal, stream).await?;
                self.draft.loaded_row(stream, row, rows);
            }
            None => {
                let loaded = Repository::<A>::new(journal.clone()).load(stream.id()).await?;
                self.draft.loaded(stream, loaded);
            }
        }
        Ok(self.draft.state(stream).cloned().flatten())
    }

    /// `initial` with all that has happened inside `boundary`, in the store and in this unit, and the position up to which
    /// the store was read.
    pub(crate) async fn folded<D: Decision>(
        &mut self,
        initial: D,
        boundary: &Criteria,
    ) -> Result<(D, Position), CommandFailure> {
        let journal = &self.executor.journal;
        let (mut state, head) = fold_boundary(journal, initial, boundary.clone(), self.draft.read_up_to()).await?;
        evolve_pending(&mut state, boundary, &self.draft.events, journal.payloads())?;
        Ok((state, head))
    }

    /// Reads what the handler of `command` wants to see besides its state. The unit rests on that, and on what was `read`
    /// of the state's own boundary.
    pub(crate) async fn bring<S, C: HandledBy<S>>(
        &mut self,
        needs: &Needs,
        command: &C,
        read: Option<(Criteria, Position)>,
    ) -> Result<Resources, CommandFailure> {
        if read.is_none() && !needs.has_models() {
            return Ok(Resources::default());
        }
        let read = read.or_else(|| self.draft.read_up_to().map(|position| (Criteria::none(), position)));
        let tags = Command::tags(command);
        let brought = needs.models(&self.executor.journal, &tags, read, &self.draft.events).await?;
        if let Some(Condition { criteria, after }) = brought.condition {
            self.draft.rests_on(Condition { criteria: command.condition(criteria), after });
        }
        Ok(brought.values)
    }

    /// What was decided so far.
    pub(crate) fn draft(&mut self) -> &mut Draft {
        &mut self.draft
    }

    /// Begins a part of the unit for `command`, which leaves no trace if nothing comes of it.
    ///
    /// # Errors
    /// When it lies in too many others.
    pub(crate) fn begin_part(&mut self, command: &'static str) -> Result<UnitPart, CommandFailure> {
        if self.depth >= DEPTH_LIMIT {
            let reason = format!(
                "`{command}` lies in {DEPTH_LIMIT} others, each executed in the unit of work of the one before; does one of them \
                 execute itself?"
            );
            return Err(CommandFailure::Refused { reason });
        }
        self.depth += 1;
        Ok(UnitPart { draft: self.draft.clone(), hooks: mem::take(&mut self.hooks) })
    }

    /// Ends a part of the unit; nothing came of it where it is not `done`.
    pub(crate) async fn end_part(&mut self, part: UnitPart, done: bool) {
        let UnitPart { draft, mut hooks } = part;
        self.depth -= 1;
        let own = mem::take(&mut self.hooks);
        match done {
            true => hooks.extend(own),
            false => {
                self.draft.back_to(draft);
                own.rolled_back().await;
            }
        }
        self.hooks = hooks;
    }

    fn gateway(&self) -> Result<&Gateway, CommandFailure> {
        let gateway = self.executor.resources.get::<Gateway>();
        gateway.ok_or_else(|| CommandFailure::Refused { reason: "the application has no gateway".to_owned() })
    }

    fn bus(&self) -> Result<Arc<CommandBus>, CommandFailure> {
        self.gateway()?.bus()
    }

    /// Runs what is to run before the commit.
    ///
    /// # Errors
    /// When an action fails.
    pub(crate) async fn run_before_commit(&mut self) -> Result<(), HandlerError> {
        while let Some(last) = self.hooks.next_before_commit() {
            last(self).await?;
        }
        Ok(())
    }
}

/// The transaction that a unit of work commits with.
pub(crate) struct Joined {
    pub(crate) transaction: Box<dyn StoreTransaction>,
    _hold: Hold,
}

/// A unit of work as it was before a part of it.
pub(crate) struct UnitPart {
    draft: Draft,
    hooks: Hooks,
}

impl fmt::Debug for UnitOfWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnitOfWork").field("events", &self.draft.events.len()).finish_non_exhaustive()
    }
}
