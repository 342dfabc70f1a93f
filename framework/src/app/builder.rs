//! Puts an application together.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::aggregate::{Aggregate, SnapshotPolicy};
use crate::command::placed::{Only, Placed};
use crate::command::schedule::{Known, ScheduleDispatcher, declare};
use crate::command::{
    CommandConfig, CommandInterceptor, CommandMonitor, Gateway, Observer, Recurring, Retries, RetryPolicy, Scheduler,
};
use crate::handler::{HandlerError, Resources};
use crate::message::{Clock, Codec, Command, Payloads, SystemClock};
use crate::processor::{
    EventComponent, Node, NodeConfig, ProcessorConfig, Processors, catch_up, found_all, leave_inline,
};
use crate::query::{QueryConfig, QueryInterceptor, Subscribers};
use crate::registry::{Built, Ingredients, Location, Registrar, Registration, Surroundings};
use crate::saga::{SagaConfig, SagaMonitor, SagaObserver, SagasHandle};
use crate::store::{Journal, SharedStore};
use crate::view::{BuiltViews, ViewAccess, ViewChanges, check_indexes};

use super::{Annals, Inner, StartError};

/// How often records of commands are looked through for old ones.
const CLEANING: Duration = Duration::from_secs(3600);

/// Puts an application together. Without other words it discovers everything that is annotated in the linked crates.
///
/// ```standalone_crate
/// use annals::Annals;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> annals::Result<()> {
/// let app = Annals::builder().store("memory:").resource(String::from("EUR")).start().await?;
/// app.shutdown().await
/// # }
/// ```
#[must_use]
pub struct Builder {
    store: Option<Source>,
    tenant: String,
    clock: Arc<dyn Clock>,
    payloads: Payloads,
    resources: Resources,
    discover: bool,
    included: Vec<TypeId>,
    declared: Vec<Declaration>,
    asking: Vec<Arc<dyn QueryInterceptor>>,
    dispatching: Vec<Placed>,
    handling: Vec<Placed>,
    retries: Retries,
    /// Kinds of commands that a retry policy is for.
    retried: Vec<Only>,
    observer: Observer,
    commands: CommandConfig,
    processors: ProcessorConfig,
    /// Changes of the settings of single processors.
    single_processors: Vec<(String, ChangeProcessor)>,
    node: NodeConfig,
    queries: QueryConfig,
    sagas: SagaConfig,
    /// Changes of the settings of single sagas.
    single_sagas: Vec<(String, ChangeSaga)>,
    saga_observer: SagaObserver,
}

type ChangeProcessor = Box<dyn FnOnce(&mut ProcessorConfig) + Send>;
type ChangeSaga = Box<dyn FnOnce(&mut SagaConfig) + Send>;
type Declaration = Box<dyn FnOnce(&mut Registrar) + Send>;

enum Source {
    Url(String),
    Store(SharedStore),
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            store: None,
            tenant: String::new(),
            clock: Arc::new(SystemClock),
            payloads: Payloads::json(),
            resources: Resources::default(),
            discover: true,
            included: Vec::new(),
            declared: Vec::new(),
            dispatching: Vec::new(),
            handling: Vec::new(),
            asking: Vec::new(),
            retries: Retries::default(),
            retried: Vec::new(),
            observer: Observer::default(),
            commands: CommandConfig::default(),
            processors: ProcessorConfig::default(),
            single_processors: Vec::new(),
            node: NodeConfig::default(),
            queries: QueryConfig::default(),
            sagas: SagaConfig::default(),
            single_sagas: Vec::new(),
            saga_observer: SagaObserver::default(),
        }
    }
}

impl Builder {
    /// Keeps everything in the store at `url`; see [`crate::store::open`] for the addresses.
    pub fn store(mut self, url: impl Into<String>) -> Self {
        self.store = Some(Source::Url(url.into()));
        self
    }

    /// Keeps everything in a store that is open already, and leaves it open: whoever opened it closes it.
    pub fn opened_store(mut self, store: SharedStore) -> Self {
        self.store = Some(Source::Store(store));
        self
    }

    /// Reads and writes the data of this tenant. Default: the empty text, for an application with one.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = tenant.into();
        self
    }

    /// Takes the time from this clock. Default: the machine's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Writes payloads with this codec. Default: JSON. Each payload says itself what it is: JSON, MessagePack (with the feature
    /// `message-pack`) and what codecs given here or to [`Builder::reads`] have written is read side by side. Documents of views
    /// stay JSON, so that they are readable in plain SQL.
    pub fn codec(mut self, codec: impl Codec) -> Self {
        self.payloads = self.payloads.written_with(Arc::new(codec));
        self
    }

    /// Also reads payloads that this codec has written, such as the one that was used before.
    pub fn reads(mut self, codec: impl Codec) -> Self {
        self.payloads = self.payloads.reading(Arc::new(codec));
        self
    }

    /// Compresses large payloads. Default: none; what is stored compressed is read in any case.
    #[cfg(feature = "compression")]
    pub fn compression(mut self, compression: crate::message::Compression) -> Self {
        self.payloads = self.payloads.compressed(compression);
        self
    }

    /// Gives handlers a value that they ask for by its type.
    pub fn resource<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.resources.insert(value);
        self
    }

    /// Takes nothing from what is annotated but what [`Builder::include`] names.
    pub fn without_discovery(mut self) -> Self {
        self.discover = false;
        self
    }

    /// Takes what is annotated on the type `T`: the struct and its handler blocks.
    pub fn include<T: 'static>(mut self) -> Self {
        self.included.push(TypeId::of::<T>());
        self
    }

    /// Declares things by hand.
    ///
    /// ```
    /// use annals::Annals;
    /// use annals::prelude::*;
    /// use annals::registry::Location;
    ///
    /// # #[derive(Event, Serialize, Deserialize)] #[event(name = "t.happened")] struct Happened {}
    /// let builder = Annals::builder().declare(|registrar| registrar.event::<Happened>(Location::here()));
    /// ```
    pub fn declare(mut self, declare: impl FnOnce(&mut Registrar) + Send + 'static) -> Self {
        self.declared.push(Box::new(declare));
        self
    }

    /// Says when snapshots of `A` are made, in place of what its attribute says. The aggregate has `snapshot` in its
    /// attribute, which says that its states can be stored.
    ///
    /// ```
    /// use annals::Annals;
    /// use annals::aggregate::SnapshotPolicy;
    /// use annals::prelude::*;
    ///
    /// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.switched")] struct Switched { on: bool }
    /// #[derive(Aggregate, Serialize, Deserialize, Default, Clone)]
    /// #[aggregate(name = "lamp", snapshot)]
    /// struct Lamp { on: bool }
    ///
    /// # #[event_sourcing]
    /// # impl Lamp {
    /// #     #[apply] fn switched(&mut self, event: &Switched) { self.on = event.on; }
    /// # }
    /// let builder = Annals::builder().snapshots::<Lamp>(SnapshotPolicy::on_request().every(50));
    /// ```
    #[track_caller]
    pub fn snapshots<A: Aggregate>(self, policy: SnapshotPolicy) -> Self {
        let location = Location::here();
        self.declare(move |registrar| registrar.snapshots::<A>(policy, location))
    }

    /// Sends a command again and again, at the times of a cron expression. The schedule is stored: changing it here changes what
    /// is stored when the application starts. One that is declared no longer goes on until it is
    /// [removed](crate::command::RecurringHandle::remove).
    ///
    /// ```
    /// use annals::Annals;
    /// use annals::command::Recurring;
    /// # use annals::prelude::*;
    /// # #[derive(Command, Serialize, Deserialize)] #[command(name = "report.write")] struct WriteReport {}
    ///
    /// let nightly = Recurring::new("nightly-report", "0 3 * * *", WriteReport {}).zone("Europe/Berlin");
    /// let builder = Annals::builder().recurring(nightly);
    /// ```
    #[track_caller]
    pub fn recurring(self, recurring: Recurring) -> Self {
        let location = Location::here();
        self.declare(move |registrar| registrar.recurring(recurring, location))
    }

    /// Runs `interceptor` around the dispatch of every command, after those added before it.
    pub fn dispatch_interceptor(mut self, interceptor: impl CommandInterceptor) -> Self {
        self.dispatching.push(Placed::everywhere(interceptor));
        self
    }

    /// Runs `interceptor` around the handling of every command, inside its lane, after those added before it.
    pub fn handler_interceptor(mut self, interceptor: impl CommandInterceptor) -> Self {
        self.handling.push(Placed::everywhere(interceptor));
        self
    }

    /// Runs `interceptor` around the dispatch of some commands: those of the type `T`, or those that the aggregate, the
    /// decision or the component `T` handles. Its place is behind all that were added before it, whatever they are for.
    #[track_caller]
    pub fn dispatch_interceptor_of<T: 'static>(mut self, interceptor: impl CommandInterceptor) -> Self {
        self.dispatching.push(Placed::of::<T>(interceptor, Location::here()));
        self
    }

    /// Runs `interceptor` around the handling of some commands, inside their lanes: those of the type `T`, or those that the
    /// aggregate, the decision or the component `T` handles. Its place is behind all that were added before it, whatever
    /// they are for.
    ///
    /// ```
    /// use annals::Annals;
    /// use annals::command::{CommandInterceptor, CommandMessage, CommandResult, Next};
    /// use annals::prelude::*;
    ///
    /// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.switched")] struct Switched { on: bool }
    /// # #[derive(Aggregate, Serialize, Deserialize, Default, Clone)]
    /// # #[aggregate(name = "lamp")]
    /// # struct Lamp { on: bool }
    /// # #[event_sourcing]
    /// # impl Lamp {
    /// #     #[apply] fn switched(&mut self, event: &Switched) { self.on = event.on; }
    /// # }
    /// struct Audit;
    ///
    /// #[async_trait::async_trait]
    /// impl CommandInterceptor for Audit {
    ///     async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
    ///         println!("{} for {:?}", command.name, command.target);
    ///         next.run(command).await
    ///     }
    /// }
    ///
    /// let builder = Annals::builder().handler_interceptor_of::<Lamp>(Audit);
    /// ```
    #[track_caller]
    pub fn handler_interceptor_of<T: 'static>(mut self, interceptor: impl CommandInterceptor) -> Self {
        self.handling.push(Placed::of::<T>(interceptor, Location::here()));
        self
    }

    /// Runs a `tower` layer around the dispatch of every command, after the interceptors and layers added before it. The
    /// service that it makes is made once, here, so that what it keeps is shared by all commands.
    ///
    /// The errors of tower's own layers become failures: those of `timeout` [`CommandFailure::Timeout`], those of
    /// `load_shed` [`CommandFailure::Shed`], any others [`CommandFailure::Layer`].
    ///
    /// [`CommandFailure::Timeout`]: crate::CommandFailure::Timeout
    /// [`CommandFailure::Shed`]: crate::CommandFailure::Shed
    /// [`CommandFailure::Layer`]: crate::CommandFailure::Layer
    ///
    /// ```
    /// use annals::Annals;
    /// use tower::ServiceBuilder;
    ///
    /// // No more than 100 commands at a time; others are refused at once.
    /// let layer = ServiceBuilder::new().load_shed().concurrency_limit(100).into_inner();
    /// let builder = Annals::builder().layer(layer);
    /// ```
    #[cfg(feature = "tower")]
    pub fn layer<L: crate::command::CommandLayer>(self, layer: L) -> Self {
        self.dispatch_interceptor(crate::command::Layered::new(layer))
    }

    /// Runs a `tower` layer around the dispatch of some commands: those of the type `T`, or those that the aggregate, the
    /// decision or the component `T` handles. See [`Builder::layer`].
    #[cfg(feature = "tower")]
    #[track_caller]
    pub fn layer_of<T: 'static, L: crate::command::CommandLayer>(self, layer: L) -> Self {
        self.dispatch_interceptor_of::<T>(crate::command::Layered::new(layer))
    }

    /// Sends commands that fail again as `policy` says, where neither their kind nor their sender says something else.
    /// Default: a failure is the sender's at once.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retries.all = Some(policy);
        self
    }

    /// Sends commands of the type `C` that fail again as `policy` says, where their sender says nothing else.
    ///
    /// ```
    /// use annals::Annals;
    /// use annals::command::RetryPolicy;
    /// # use annals::prelude::*;
    /// # #[derive(Command, Serialize, Deserialize)] #[command(name = "payment.charge")] struct Charge {}
    ///
    /// let builder = Annals::builder().retry(RetryPolicy::transient()).retry_of::<Charge>(RetryPolicy::never());
    /// ```
    #[track_caller]
    pub fn retry_of<C: Command>(mut self, policy: RetryPolicy) -> Self {
        self.retried.push(Only { id: TypeId::of::<C>(), item: std::any::type_name::<C>(), location: Location::here() });
        self.retries.by_command.insert(C::NAME, policy);
        self
    }

    /// Tells `monitor` what becomes of commands. Default: nobody is told, and nothing is measured.
    pub fn command_monitor(mut self, monitor: impl CommandMonitor) -> Self {
        self.observer = Observer::new(monitor);
        self
    }

    /// Runs `interceptor` around every query, after those added before it.
    pub fn query_interceptor(mut self, interceptor: impl QueryInterceptor) -> Self {
        self.asking.push(Arc::new(interceptor));
        self
    }

    /// Changes the settings of the command side.
    pub fn commands(mut self, change: impl FnOnce(&mut CommandConfig)) -> Self {
        change(&mut self.commands);
        self
    }

    /// Changes the settings of queries.
    pub fn queries(mut self, change: impl FnOnce(&mut QueryConfig)) -> Self {
        change(&mut self.queries);
        self
    }

    /// Changes the settings of all processors.
    pub fn processors(mut self, change: impl FnOnce(&mut ProcessorConfig)) -> Self {
        change(&mut self.processors);
        self
    }

    /// Changes the settings of one processor, beginning with those of all. A view's processor is called
    /// `view:NAME@VERSION` ([`processor_name`](crate::view::processor_name)), a saga's `saga:NAME`.
    ///
    /// ```
    /// use annals::Annals;
    /// use annals::processor::StartAt;
    ///
    /// let builder = Annals::builder().processor("mails", |mails| mails.start = StartAt::Newest);
    /// ```
    pub fn processor(
        mut self,
        name: impl Into<String>,
        change: impl FnOnce(&mut ProcessorConfig) + Send + 'static,
    ) -> Self {
        self.single_processors.push((name.into(), Box::new(change)));
        self
    }

    /// Changes the settings of all sagas and workflows.
    pub fn sagas(mut self, change: impl FnOnce(&mut SagaConfig)) -> Self {
        change(&mut self.sagas);
        self
    }

    /// Changes the settings of the saga or workflow with this stored name, beginning with those of all and what its attribute
    /// says.
    ///
    /// ```
    /// use annals::Annals;
    /// use annals::saga::SagaRetention;
    ///
    /// let builder = Annals::builder().saga("order-fulfilment", |saga| saga.retention = SagaRetention::Forever);
    /// ```
    pub fn saga(mut self, name: impl Into<String>, change: impl FnOnce(&mut SagaConfig) + Send + 'static) -> Self {
        self.single_sagas.push((name.into(), Box::new(change)));
        self
    }

    /// Tells `monitor` what becomes of sagas and workflows. Default: nobody is told, and nothing is counted.
    pub fn saga_monitor(mut self, monitor: impl SagaMonitor) -> Self {
        self.saga_observer = SagaObserver::new(monitor);
        self
    }

    /// Changes the settings of this program as one of the nodes that share processors.
    pub fn node(mut self, change: impl FnOnce(&mut NodeConfig)) -> Self {
        change(&mut self.node);
        self
    }

    /// Opens the store, checks everything that is declared, and starts the processors.
    ///
    /// # Errors
    /// [`StartError::Problems`] with all that is wrong at once, or why the store could not be opened.
    pub async fn start(mut self) -> Result<Annals, StartError> {
        let (store, owned) = match self.store.take().ok_or(StartError::NoStore)? {
            Source::Store(store) => (store, false),
            Source::Url(url) => (crate::store::open(&url).await?, true),
        };
        match self.start_on(Arc::clone(&store), owned).await {
            Ok(app) => Ok(app),
            Err(error) => {
                if owned {
                    store.close().await;
                }
                Err(error)
            }
        }
    }

    /// Opens the store and hands it out, so that a test can write to it before the start; memory where none was named.
    pub(crate) async fn opened(mut self) -> Result<(Self, SharedStore), StartError> {
        let store = match self.store.take() {
            Some(Source::Store(store)) => store,
            Some(Source::Url(url)) => crate::store::open(&url).await?,
            None => crate::store::open("memory:").await?,
        };
        Ok((self.opened_store(Arc::clone(&store)), store))
    }

    /// The tenant, and the codec of payloads.
    pub(crate) fn format(&self) -> (&str, &Payloads) {
        (&self.tenant, &self.payloads)
    }

    async fn start_on(self, store: SharedStore, owns_store: bool) -> Result<Annals, StartError> {
        let mut registrar = Registrar::default();
        Registration::collect(&mut registrar, if self.discover { None } else { Some(&self.included) });
        for declare in self.declared {
            declare(&mut registrar);
        }
        registrar.sort();
        let mut resources = self.resources;
        resources.add_missing(store.resources());
        let gateway = Gateway::unconnected();
        resources.insert(gateway.clone());
        let placed = self.dispatching.iter().chain(&self.handling).filter_map(Placed::only);
        let surroundings = Surroundings {
            resources: &resources,
            payloads: &self.payloads,
            transaction: store.transaction_type(),
            store: &store.address(),
            intercepted: placed.chain(self.retried).collect(),
        };
        let chains = registrar.check(&surroundings).map_err(StartError::Problems)?;
        registrar.add_defaults(&mut resources);
        let journal = Journal::new(Arc::clone(&store), chains, self.payloads, Arc::clone(&self.clock), self.tenant);
        let known = Known { commands: registrar.command_names(), events: registrar.known_events() };
        let scheduler = Scheduler::new(journal.clone(), known);
        resources.insert(scheduler.clone());
        let processors = Processors::new(journal.clone(), registrar.processor_names());
        let changes = ViewChanges::default();
        let views = ViewAccess {
            journal: journal.clone(),
            processors: processors.clone(),
            built: BuiltViews::default(),
            changes: changes.clone(),
            resources: Arc::new(OnceLock::new()),
        };
        resources.insert(views.clone());
        let subscribers = Subscribers::default();
        resources.insert(subscribers.clone());
        let resources = Arc::new(resources);
        // Only start-up sets it, and only once.
        let _ = views.resources.set(Arc::downgrade(&resources));
        let stop = CancellationToken::new();
        let remembered = self.commands.remembered;
        let mut processor_configs: BTreeMap<String, ProcessorConfig> = BTreeMap::new();
        for (name, change) in self.single_processors {
            change(processor_configs.entry(name).or_insert_with(|| self.processors.clone()));
        }
        self.processors.check("all processors")?;
        processor_configs.iter().try_for_each(|(name, config)| config.check(&format!("the processor `{name}`")))?;
        let unknown = processor_configs.keys().find(|name| processors.get(name).is_none());
        if let Some(name) = unknown {
            return Err(StartError::NoProcessor { name: name.clone(), known: processors.names() });
        }
        let saga_configs = settings_of_sagas(&registrar, &self.sagas, self.single_sagas)?;
        let processor_configs = processor_configs.into_iter().map(|(name, config)| (name, Arc::new(config))).collect();
        let processor_config = Arc::new(self.processors);
        let node = Node::new(journal.clone(), self.node, processors.names());
        let Built {
            commands,
            caches,
            queries,
            inline,
            others,
            components,
            parts,
            processors: configured,
            relatives,
            tasks,
        } = registrar.build(&Ingredients {
            journal: journal.clone(),
            clock: self.clock,
            resources: Arc::clone(&resources),
            processors: processors.clone(),
            command_config: Arc::new(self.commands),
            processor_config: Arc::clone(&processor_config),
            processor_configs,
            node: node.clone(),
            dispatching: self.dispatching,
            handling: self.handling,
            asking: self.asking,
            query_config: self.queries,
            subscribers,
            changes,
            retries: self.retries,
            observer: self.observer,
            saga_configs,
            saga_observer: self.saga_observer,
            stop: stop.clone(),
        });
        check_views(&journal, &registrar).await?;
        for (recurring, _) in registrar.recurring_schedules() {
            declare(&journal, scheduler.known(), recurring).await.map_err(|source| StartError::Recurring { source })?;
        }
        for component in components {
            set_up(&journal, &*component).await?;
        }
        node.begin().await?;
        let left = leave_inline(&journal, &node, others).await;
        if let Err((token, error)) = left {
            node.leave().await;
            return Err(StartError::Inline { token, source: error.into_source() });
        }
        found_all(&journal, &node, &configured).await?;
        let tracker = TaskTracker::new();
        tracker.spawn(node.clone().run(processor_config.poll, stop.clone()));
        for (token, components) in inline {
            let brought_up = catch_up(&journal, &node, &token, &components, &processor_config).await;
            if let Err(error) = brought_up {
                stop.cancel();
                tracker.close();
                tracker.wait().await;
                return Err(StartError::Inline { token, source: error.into_source() });
            }
        }
        gateway.connect(&commands);
        registrar.log(&store.address());
        for task in tasks {
            tracker.spawn(task);
        }
        let schedule = ScheduleDispatcher {
            journal: journal.clone(),
            bus: Arc::clone(&commands),
            known: Arc::clone(scheduler.known()),
            wake: Arc::clone(scheduler.wake()),
            node: node.clone(),
            stop: stop.clone(),
        };
        tracker.spawn(schedule.run());
        tracker.spawn(forget_commands(journal.clone(), remembered, stop.clone()));
        let sagas = registrar.saga_names();
        let known = registrar.known_events();
        let inner = Inner {
            store,
            owns_store,
            journal: journal.clone(),
            known,
            gateway,
            scheduler,
            _commands: commands,
            caches,
            queries,
            processors,
            parts: Arc::new(parts),
            node,
            views,
            subscribed: crate::subscription::Subscribed::default(),
            sagas: SagasHandle::new(journal.clone(), sagas, relatives),
            stop,
            tasks: tracker,
        };
        Ok(Annals { inner: Arc::new(inner) })
    }
}

/// The settings of all sagas and workflows by their names, checked.
fn settings_of_sagas(
    registrar: &Registrar,
    all: &SagaConfig,
    single: Vec<(String, ChangeSaga)>,
) -> Result<BTreeMap<&'static str, SagaConfig>, StartError> {
    all.check("all sagas")?;
    let mut configs = registrar.saga_configs(all);
    for (name, change) in single {
        match configs.get_mut(name.as_str()) {
            Some(config) => change(config),
            None => return Err(StartError::NoSaga { name, known: configs.into_keys().collect() }),
        }
    }
    configs.iter().try_for_each(|(name, config)| config.check(&format!("the saga `{name}`")))?;
    Ok(configs)
}

/// Finds views whose documents were stored with other indexes.
async fn check_views(journal: &Journal, registrar: &Registrar) -> Result<(), StartError> {
    match check_indexes(journal, &registrar.indexed_views()).await {
        Ok(problems) if problems.is_empty() => Ok(()),
        Ok(problems) => Err(StartError::Problems(problems)),
        Err(source) => Err(StartError::Views { source }),
    }
}

/// Has a component make what it writes to.
async fn set_up(journal: &Journal, component: &dyn EventComponent) -> Result<(), StartError> {
    let failed = |error: HandlerError| StartError::Setup {
        component: component.label().to_owned(),
        source: error.into_source(),
    };
    if let Some(external) = component.external() {
        return external.make().await.map_err(failed);
    }
    let mut transaction = journal.store().begin().await.map_err(|error| failed(error.into()))?;
    transaction.makes_tables();
    component.setup(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(|error| failed(error.into()))
}

/// Removes the records of commands that are older than the application wants to remember.
async fn forget_commands(journal: Journal, remembered: Duration, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let now = journal.now();
        let micros = i64::try_from(remembered.as_micros()).unwrap_or(i64::MAX);
        let before = crate::Timestamp::from_micros(now.as_micros().saturating_sub(micros));
        match journal.store().forget_commands(before).await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "forgot old commands"),
            Err(error) => tracing::warn!(%error, "old commands could not be forgotten"),
        }
        tokio::select! {
            () = journal.clock().sleep_until(now.plus(CLEANING)) => {}
            () = stop.cancelled() => {}
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("discover", &self.discover)
            .field("resources", &self.resources)
            .finish_non_exhaustive()
    }
}
