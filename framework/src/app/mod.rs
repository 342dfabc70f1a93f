//! The application: opens a store, discovers what is annotated, and runs it.

mod builder;
mod error;
mod unknown;

pub use builder::Builder;
pub use error::{Error, Result, SettleError, StartError};
pub use unknown::UnknownName;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::aggregate::{Aggregate, AggregateHandle, Decision, DecisionHandle, HandledBy, Repository, holder};
use crate::command::{
    CacheUse, CommandBus, CommandFailure, Gateway, KeyIndex, ScheduleCall, Scheduler, SendCall, UnitOfWork, Usage,
    index_keys,
};
use crate::message::{
    AnsweredByAll, AnsweredByOne, Command, Position, Query, StreamId, StreamQuery, SubscriptionQuery,
};
use crate::processor::{Node, ProcessorParts, Processors, ProcessorsHandle};
use crate::query::{GatherCall, QueryBus, QueryCall, QueryUpdates, StreamCall, SubscribeCall};
use crate::saga::SagasHandle;
use crate::store::{Export, Journal, ReadError, Scavenged, SharedStore, StoreError, StreamHandle};
use crate::subscription::{CatchUp, Subscribed, SubscriptionsHandle};
use crate::view::{ViewAccess, ViewHandlers, Views};
use crate::workflow::WorkflowsHandle;

/// Records looked at to see whether work is left.
const MANY: usize = 100_000;

/// A running application. Cheap to clone; [`Annals::shutdown`] ends it.
#[derive(Clone)]
pub struct Annals {
    inner: Arc<Inner>,
}

struct Inner {
    store: SharedStore,
    /// Whether the store was opened here; whoever opened it closes it.
    owns_store: bool,
    journal: Journal,
    /// The events that the program knows, with their revisions.
    known: BTreeMap<&'static str, u32>,
    gateway: Gateway,
    scheduler: Scheduler,
    /// Keeps the bus alive: the gateways of handlers only refer to it.
    _commands: Arc<CommandBus>,
    caches: Vec<Arc<Usage>>,
    queries: Arc<QueryBus>,
    processors: Processors,
    parts: Arc<ProcessorParts>,
    node: Node,
    views: ViewAccess,
    subscribed: Subscribed,
    sagas: SagasHandle,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Annals {
    /// Opens the store at `url` and runs everything that is annotated in the linked crates. See [`crate::store::open`]
    /// for the addresses.
    ///
    /// # Errors
    /// [`StartError::Store`] when the store cannot be opened, [`StartError::Problems`] with everything that is wrong
    /// with what is declared.
    pub async fn open(url: &str) -> std::result::Result<Self, StartError> {
        Self::builder().store(url).start().await
    }

    /// Does what [`Annals::open`] does, with other settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Sends `command`; await the call. The reply comes with the version of the target and the global position.
    ///
    /// # Errors
    /// [`SendError::Rejected`](crate::SendError::Rejected) with the domain's error,
    /// [`SendError::Failed`](crate::SendError::Failed) when the machinery failed.
    pub fn send<C: Command>(&self, command: C) -> SendCall<C> {
        self.inner.gateway.send(command)
    }

    /// Begins a unit of work: several decisions, stored in one append when you [`commit`](UnitOfWork::commit) it, together
    /// with rows of your own where it has [joined](UnitOfWork::join) a transaction. Inside a handler take it as a parameter
    /// instead: there it is run again after a conflict.
    ///
    /// ```
    /// # use annals::prelude::*;
    /// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "seat.free")] struct Free { #[target] seat: String }
    /// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "seat.take")] struct Take { #[target] seat: String }
    /// async fn change_seats(app: &Annals) -> Result<(), Box<dyn std::error::Error>> {
    ///     let mut work = app.unit_of_work()?;
    ///     work.execute(Free { seat: "12A".into() }).await?;
    ///     work.execute(Take { seat: "14C".into() }).await?;
    ///     work.commit().await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`CommandFailure::Refused`] when the application is shut down.
    pub fn unit_of_work(&self) -> Result<UnitOfWork, CommandFailure> {
        self.inner.gateway.unit_of_work()
    }

    /// Sends `command` later: say when, and await the call, which gives the command's id. It is stored, survives restarts,
    /// and is sent at or after its instant under that id, so that it has one effect.
    ///
    /// ```standalone_crate
    /// use std::time::Duration;
    /// use annals::prelude::*;
    ///
    /// #[derive(Command, Serialize, Deserialize, Debug, Clone)]
    /// #[command(name = "order.remind")]
    /// struct Remind { order: String }
    ///
    /// #[derive(Default)]
    /// struct Mail;
    ///
    /// #[command_handlers]
    /// impl Mail {
    ///     #[handle]
    ///     async fn remind(&self, command: Remind) -> Result<(), HandlerError> { Ok(()) }
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let app = Annals::open("memory:").await?;
    /// let id = app.schedule(Remind { order: "o-1".into() }).after(Duration::from_secs(3600)).await?;
    /// assert_eq!(app.scheduler().list().await?[0].id, id);
    /// assert!(app.scheduler().cancel(id).await?);
    /// app.shutdown().await
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`CommandFailure::NoHandler`] when nobody handles it,
    /// [`CommandFailure::Store`] when it could not be stored.
    pub fn schedule<C: Command>(&self, command: C) -> ScheduleCall {
        self.inner.scheduler.schedule(command)
    }

    /// Commands and events that are sent later: schedules them, lists them, moves them, takes them back.
    #[must_use]
    pub fn scheduler(&self) -> Scheduler {
        self.inner.scheduler.clone()
    }

    /// Asks `query`; await the call. With `.after(&sent)` the answer includes what was sent.
    ///
    /// # Errors
    /// [`QueryError`](crate::QueryError).
    pub fn query<Q: Query<Kind: AnsweredByOne>>(&self, query: Q) -> QueryCall<Q> {
        self.inner.queries.ask(query)
    }

    /// Asks `query` of every handler of it, all at the same time; await the call. A handler that fails or is too late is
    /// reported beside the answers of the others.
    ///
    /// # Errors
    /// [`QueryError::NoHandler`](crate::QueryError::NoHandler), or what an interceptor ends in.
    pub fn query_all<Q: Query<Kind: AnsweredByAll> + Clone>(&self, query: Q) -> GatherCall<Q> {
        self.inner.queries.ask_all(query)
    }

    /// Asks `query`, whose answer is a stream of rows. It begins when it is first polled, and dropping it ends the handler.
    pub fn query_stream<Q: StreamQuery>(&self, query: Q) -> StreamCall<Q> {
        self.inner.queries.stream(query)
    }

    /// Asks `query` and goes on answering it; await the call for the first answer and a stream of updates.
    ///
    /// ```standalone_crate
    /// # use annals::prelude::*;
    /// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "lamp.switch")] struct Switch { #[target] lamp: String, on: bool }
    /// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.switched")] struct Switched { #[tag] lamp: String, on: bool }
    /// # #[derive(Aggregate, Default, Clone)] #[aggregate(name = "lamp")] struct LampState;
    /// # #[command_handlers] impl LampState { #[handle(create_if_missing)] fn switch(&self, command: Switch) -> Switched { Switched { lamp: command.lamp, on: command.on } } }
    /// # #[event_sourcing] impl LampState { #[apply] fn switched(&mut self, _: &Switched) {} }
    /// # #[derive(View, Serialize, Deserialize, Default, Clone)] #[view(name = "lamps", key = String)] struct Lamp { on: bool }
    /// # #[view_handlers] impl Lamp { #[handle(key = lamp)] fn switched(&mut self, event: &Switched) { self.on = event.on; } }
    /// use futures_util::StreamExt;
    ///
    /// #[derive(Query, Clone)]
    /// #[query(name = "lamp.on", reply = bool)]
    /// struct IsOn { lamp: String }
    ///
    /// #[query_handlers]
    /// impl Lamp {
    ///     #[handle]
    ///     async fn is_on(query: IsOn, lamps: Views<Lamp>) -> Result<bool, QueryError> {
    ///         Ok(lamps.get(&query.lamp).await?.unwrap_or_default().on)
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = Annals::open("memory:").await?;
    /// let mut lamp = app.subscribe(IsOn { lamp: "hall".into() }).await?;
    /// assert!(!lamp.first);
    /// app.send(Switch { lamp: "hall".into(), on: true }).await?;
    /// assert_eq!(lamp.updates.next().await.transpose()?, Some(true));
    /// # app.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SubscriptionError`](crate::query::SubscriptionError).
    pub fn subscribe<Q: SubscriptionQuery>(&self, query: Q) -> SubscribeCall<Q> {
        self.inner.queries.subscribe(query)
    }

    /// Tells subscribers of queries what is new. Handlers take it as a parameter.
    #[must_use]
    pub fn updates(&self) -> QueryUpdates {
        QueryUpdates::new(self.inner.queries.parts.subscribers.clone())
    }

    /// The documents of the view `V`.
    pub fn view<V: ViewHandlers>(&self) -> Views<V> {
        Views::new(self.inner.views.clone())
    }

    /// The aggregate with this id, to look at: its state now or in the past, and its history.
    pub fn aggregate<A: Aggregate>(&self, id: impl ToString) -> AggregateHandle<A> {
        AggregateHandle::new(Repository::new(self.inner.journal.clone()), id.to_string())
    }

    /// The aggregate that has the unique key `name` with this value; `None` where none has.
    ///
    /// ```
    /// # use annals::prelude::*;
    /// # async fn find<Account: Aggregate>(app: &Annals) -> Result<(), annals::CommandFailure> {
    /// let account = app.aggregate_by::<Account>("email", "ada@example.org").await?;
    /// # let _ = account;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CommandFailure::Refused`] where the type has no unique key of this name; [`CommandFailure::Store`] when the
    /// database does not answer.
    pub async fn aggregate_by<A: Aggregate>(
        &self,
        name: &'static str,
        value: impl ToString,
    ) -> std::result::Result<Option<AggregateHandle<A>>, CommandFailure> {
        if !A::UNIQUE.contains(&name) {
            let reason =
                format!("the aggregate `{}` has no unique key `{name}`; its keys are {:?}", A::NAME, A::UNIQUE);
            return Err(CommandFailure::Refused { reason });
        }
        let holder = holder::<A>(&self.inner.journal, name, value.to_string()).await?;
        Ok(holder.map(|id| self.aggregate(id)))
    }

    /// Takes the unique keys of all stored aggregates of the type: for one that got its `#[unique]` when aggregates were
    /// stored already. Until then keys count from the first command that changes them.
    ///
    /// It reads every event of the type's streams, and may run while commands do, again and again. What it cannot take it
    /// reports.
    ///
    /// ```
    /// # use annals::prelude::*;
    /// # async fn index<Account: Aggregate>(app: &Annals) -> Result<(), annals::CommandFailure> {
    /// for double in app.index_unique_keys::<Account>().await?.doubles {
    ///     println!("{} has the {} {} of {}", double.other, double.key, double.value, double.holder);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When a state cannot be loaded, or the database does not answer. What was taken by then stays so.
    pub async fn index_unique_keys<A: Aggregate>(&self) -> std::result::Result<KeyIndex, CommandFailure> {
        index_keys::<A>(&self.inner.journal).await
    }

    /// The state on which the decision `D` would decide on `command`, to look at: now or in the past.
    ///
    /// ```
    /// # use annals::prelude::*;
    /// # use annals::aggregate::AsOf;
    /// # async fn look<D: Decision + std::fmt::Debug, C: annals::aggregate::HandledBy<D>>(app: &Annals, enrol: C) -> Result<(), annals::LoadError> {
    /// let seats = app.decision::<D, _>(&enrol);
    /// println!("{:?}, and before: {:?}", seats.load().await?, seats.as_of(AsOf::Position(Position::new(20))).await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn decision<D: Decision, C: HandledBy<D>>(&self, command: &C) -> DecisionHandle<D> {
        DecisionHandle::new(self.inner.journal.clone(), command)
    }

    /// What the caches of states hold and how often they were of use, one for each aggregate type that handles commands,
    /// in the order of their stored names. They are bounded by
    /// [`CommandConfig::cached_states`](crate::command::CommandConfig::cached_states) and
    /// [`cached_bytes`](crate::command::CommandConfig::cached_bytes).
    #[must_use]
    pub fn caches(&self) -> Vec<CacheUse> {
        self.inner.caches.iter().map(|usage| usage.now()).collect()
    }

    /// Sends commands, to hand to other parts of the program.
    #[must_use]
    pub fn gateway(&self) -> Gateway {
        self.inner.gateway.clone()
    }

    /// The processors: how they are doing, their dead letters, replays.
    #[must_use]
    pub fn processors(&self) -> ProcessorsHandle {
        let Inner { processors, parts, journal, node, .. } = &*self.inner;
        ProcessorsHandle::new(processors.clone(), Arc::clone(parts), journal.clone(), node.clone())
    }

    /// The sagas: their instances, what has happened to them, and what is to be done about those that need attention.
    #[must_use]
    pub fn sagas(&self) -> SagasHandle {
        self.inner.sagas.clone()
    }

    /// The workflows: to begin them, and to see what has become of them.
    #[must_use]
    pub fn workflows(&self) -> WorkflowsHandle {
        WorkflowsHandle::new(self.inner.journal.clone(), self.sagas())
    }

    /// Subscriptions of consumers outside of the application: named, kept in the database, with competing consumers that
    /// answer for each event. See [`guide::subscriptions`](crate::guide::subscriptions).
    #[must_use]
    pub fn subscriptions(&self) -> SubscriptionsHandle {
        let Inner { journal, subscribed, stop, tasks, .. } = &*self.inner;
        SubscriptionsHandle::new(journal.clone(), subscribed.clone(), stop.clone(), tasks.clone())
    }

    /// The log as a plain stream, from any place on and then live, for a consumer that keeps its own place.
    pub fn events(&self) -> CatchUp {
        CatchUp::new(self.inner.journal.clone(), self.inner.stop.clone())
    }

    /// Stored names of the sagas.
    pub(crate) fn saga_names(&self) -> &[&'static str] {
        self.inner.sagas.names()
    }

    /// A stream, to look at and to change its life: delete, truncate, archive.
    ///
    /// ```standalone_crate
    /// # use annals::prelude::*;
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let app = Annals::open("memory:").await.unwrap();
    /// let stream = app.stream(StreamId::new("order", "o-1"));
    /// assert!(stream.info().await.unwrap().is_none(), "it has no events yet");
    /// # app.shutdown().await.unwrap();
    /// # });
    /// ```
    pub fn stream(&self, stream: StreamId) -> StreamHandle {
        self.inner.journal.stream(stream)
    }

    /// Removes the events that nobody sees any more, of all tenants; see [`Maintain::scavenge`](crate::store::Maintain::scavenge).
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn scavenge(&self) -> std::result::Result<Scavenged, StoreError> {
        self.inner.store.scavenge(self.inner.journal.now()).await
    }

    /// An export of this tenant's events as JSON lines, each as its upcasters lift it. For a copy of the whole store as
    /// it is, see [`Export::of`].
    pub fn export(&self) -> Export {
        self.inner.journal.export()
    }

    /// What is stored for this tenant and this program cannot read: names that nothing in it has, and revisions that no upcaster lifts;
    /// sorted by name. Aggregates that meet such an event fail with a typed error
    /// ([`EvolveError::Unknown`](crate::aggregate::EvolveError::Unknown)). Processors ask for the names that their handlers take,
    /// and never see an unknown one; one of a known name at an unknown revision becomes a dead letter.
    ///
    /// It reads all events, without their payloads: a look before and after a roll-out, nothing for every request.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn unknown_names(&self) -> std::result::Result<Vec<UnknownName>, ReadError> {
        unknown::unknown_names(&self.inner.journal, &self.inner.known).await
    }

    /// The store with its upcasters and codec.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.inner.journal
    }

    /// Waits until nothing is left to do: every processor has handled every event, every command of a saga has been
    /// answered, every deadline that is due has fired, every scheduled command or
    /// event that is due has been sent, and no dead letter waits for another attempt. Deadlines that lie
    /// ahead are not waited for, nor is what needs attention (parked letters and commands).
    ///
    /// # Errors
    /// [`SettleError::Busy`] says what is left when `timeout` is over.
    pub async fn settled(&self, timeout: Duration) -> std::result::Result<(), SettleError> {
        let deadline = tokio::time::Instant::now() + timeout;
        // Work may pass from what was not looked at yet to what was: one look that finds nothing proves nothing.
        let mut quiet = false;
        loop {
            let before = self.inner.store.head().await?;
            let left = match self.unsettled(before).await? {
                Some(left) => left,
                // Something may have been appended while the sagas were looked at.
                None if self.inner.store.head().await? == before => {
                    if std::mem::replace(&mut quiet, true) {
                        return Ok(());
                    }
                    continue;
                }
                None => "events were appended meanwhile".to_owned(),
            };
            quiet = false;
            if tokio::time::Instant::now() >= deadline {
                return Err(SettleError::Busy { left });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What is left to do for the events up to `head`.
    async fn unsettled(&self, head: Position) -> std::result::Result<Option<String>, SettleError> {
        let tenant = self.inner.journal.tenant();
        for (name, _) in self.inner.processors.iter() {
            let reached = self.inner.processors.reached(name).await?;
            if reached < head {
                return Ok(Some(format!("processor `{name}` is at {reached} of {head}")));
            }
            if self.inner.store.next_letter(tenant, name).await?.is_some() {
                return Ok(Some(format!("processor `{name}` tries a failed event again")));
            }
        }
        let now = self.inner.journal.now();
        for saga in self.inner.sagas.names() {
            // In this order: a deadline that fires turns into commands.
            if let Some(timer) =
                self.inner.store.sagas().due_timers(tenant, saga, crate::store::Segment::WHOLE, now, 1).await?.first()
            {
                return Ok(Some(format!("the deadline `{}` of saga `{saga}` is due", timer.name)));
            }
            let open = self.inner.store.sagas().open_effects(tenant, saga, None, MANY).await?;
            let attention = crate::store::SagaFilter { attention: Some(true), ..Default::default() };
            let stuck = self.inner.store.sagas().list(tenant, saga, &attention, MANY).await?;
            let stuck = stuck.into_iter().map(|row| row.id);
            let parked = open.iter().filter(|effect| effect.parked.is_some()).map(|effect| effect.saga_id);
            let parked: std::collections::BTreeSet<_> = parked.chain(stuck).collect();
            if let Some(effect) = open.iter().find(|effect| !parked.contains(&effect.saga_id)) {
                return Ok(Some(format!("saga `{saga}` waits for the answer to `{}`", effect.name)));
            }
        }
        Ok(self
            .inner
            .scheduler
            .unsettled(now)
            .await?
            .map(|message| format!("the scheduled message `{message}` is due")))
    }

    /// Takes no more work, lets what is under way end, and closes the store, unless it was given as opened.
    ///
    /// # Errors
    /// None at present; a store that cannot be closed cleanly may report it here.
    pub async fn shutdown(self) -> Result<()> {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.gateway.disconnect();
        if self.inner.owns_store {
            self.inner.store.close().await;
        }
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Annals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Annals").field("store", &self.inner.store.address()).finish_non_exhaustive()
    }
}
