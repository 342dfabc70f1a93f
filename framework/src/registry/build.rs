//! Builds the running parts from what was declared.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::command::class::Senders;
use crate::command::execute::Executor;
use crate::command::inline::{Inline, InlineRows};
use crate::command::placed::{Placed, for_all, for_one};
use crate::command::{
    BusParts, CommandBus, CommandConfig, Dispatching, Lanekeeper, Observer, Recurring, Retries, Usage, document_lanes,
};
use crate::handler::{Requirement, Resources};
use crate::message::Clock;
use crate::processor::{EventComponent, Node, ProcessorConfig, ProcessorParts, Processors, StreamingProcessor};
use crate::query::{self, QueryBus, QueryConfig, QueryInterceptor, Subscribers};
use crate::saga::{Relatives, SagaConfig, SagaObserver, SagaRetention, Wake};
use crate::store::Journal;
use crate::view::{FollowedView, Follower, ViewChanges, ViewMode};

use super::Location;
use super::registrar::{HandlersDeclaration, HandlersMode, QueryDeclaration, Registrar};
use super::saga::SagaParts;

/// The running parts of an application.
pub(crate) struct Built {
    pub(crate) commands: Arc<CommandBus>,
    /// What the caches of states hold.
    pub(crate) caches: Vec<Arc<Usage>>,
    pub(crate) queries: Arc<QueryBus>,
    /// What runs inline, by the names of its tokens.
    pub(crate) inline: ProcessorParts,
    /// What does not, and has a token, with how many segments it is to have.
    pub(crate) others: Vec<(String, u32)>,
    /// What is to be set up before anything runs.
    pub(crate) components: Vec<Arc<dyn EventComponent>>,
    /// What processors consist of.
    pub(crate) parts: ProcessorParts,
    /// The processors with their settings.
    pub(crate) processors: Vec<(String, Arc<ProcessorConfig>)>,
    /// The sagas.
    pub(crate) relatives: Relatives,
    /// Runs processors, dispatchers and timers until they are stopped.
    pub(crate) tasks: Vec<BoxFuture<'static, ()>>,
}

/// What the parts are built with.
pub(crate) struct Ingredients {
    pub(crate) journal: Journal,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) resources: Arc<Resources>,
    pub(crate) processors: Processors,
    pub(crate) command_config: Arc<CommandConfig>,
    pub(crate) processor_config: Arc<ProcessorConfig>,
    /// Settings of single processors, by name.
    pub(crate) processor_configs: BTreeMap<String, Arc<ProcessorConfig>>,
    pub(crate) node: Node,
    pub(crate) asking: Vec<Arc<dyn QueryInterceptor>>,
    pub(crate) query_config: QueryConfig,
    pub(crate) subscribers: Subscribers,
    /// Who is told of documents that have changed.
    pub(crate) changes: ViewChanges,
    pub(crate) dispatching: Vec<Placed>,
    pub(crate) handling: Vec<Placed>,
    pub(crate) retries: Retries,
    pub(crate) observer: Observer,
    /// Settings of the sagas and workflows, by name.
    pub(crate) saga_configs: BTreeMap<&'static str, SagaConfig>,
    pub(crate) saga_observer: SagaObserver,
    pub(crate) stop: CancellationToken,
}

impl Registrar {
    /// The names of all processors.
    pub(crate) fn processor_names(&self) -> Vec<String> {
        let views = self.view_handlers.iter().filter(|view| view.mode == ViewMode::Asynchronous);
        let views = views.map(|view| view.processor.clone());
        let handlers = self.event_handlers.iter().filter(|handlers| handlers.mode != HandlersMode::Inline);
        let handlers = handlers.map(|handlers| handlers.handler.name.to_owned());
        views.chain(handlers).chain(self.saga_handlers.iter().map(super::saga::SagaDeclaration::processor)).collect()
    }

    /// Names of the processors that bring events to sagas.
    pub(crate) fn saga_names(&self) -> Vec<&'static str> {
        self.saga_handlers.iter().map(|saga| saga.saga.name).collect()
    }

    /// The settings of the sagas and workflows by their names: those of all of them, and what their attributes say.
    pub(crate) fn saga_configs(&self, all: &SagaConfig) -> BTreeMap<&'static str, SagaConfig> {
        let of = |declared: Option<SagaRetention>| match declared {
            Some(retention) => SagaConfig { retention, ..all.clone() },
            None => all.clone(),
        };
        self.saga_handlers.iter().map(|saga| (saga.saga.name, of(saga.retention))).collect()
    }

    /// Commands that are sent again and again.
    pub(crate) fn recurring_schedules(&self) -> &[(Recurring, Location)] {
        &self.recurring
    }

    /// The stored names of the commands that are handled.
    pub(crate) fn command_names(&self) -> HashSet<&'static str> {
        self.command_handlers.iter().map(|handler| handler.command.name).collect()
    }

    /// Lists what was found, so that a crate that was not linked is missed.
    pub(crate) fn log(&self, store: &str) {
        let names = |names: &mut dyn Iterator<Item = &'static str>| names.collect::<Vec<_>>().join(", ");
        tracing::info!(
            store,
            commands = names(&mut self.command_handlers.iter().map(|handler| handler.command.name)),
            queries = names(&mut self.query_handlers.iter().map(|handler| handler.query.name)),
            views = names(&mut self.view_handlers.iter().map(|view| view.view.name)),
            sagas = names(&mut self.saga_handlers.iter().map(|saga| saga.saga.name)),
            processors = self.processor_names().join(", "),
            "started"
        );
    }

    /// Adds the components that have a default and were not given.
    pub(crate) fn add_defaults(&self, resources: &mut Resources) {
        for component in &self.components {
            if let (false, Some(insert)) = (resources.contains(component.component.id), &component.insert_default) {
                insert(resources);
            }
        }
    }

    /// Builds everything.
    pub(crate) fn build(&self, with: &Ingredients) -> Built {
        let inline = self.inline(with);
        let (commands, caches) = self.command_bus(with, &inline);
        let commands = Arc::new(commands);
        let queries = Arc::new(self.query_bus(with));
        let mut by_processor: BTreeMap<String, Vec<Arc<dyn EventComponent>>> = BTreeMap::new();
        for view in self.view_handlers.iter().filter(|view| view.mode == ViewMode::Asynchronous) {
            let component = (view.build)(with.journal.clone(), Arc::clone(&with.resources), &with.changes);
            by_processor.entry(view.processor.clone()).or_default().push(component);
        }
        for handlers in self.event_handlers.iter().filter(|handlers| handlers.mode != HandlersMode::Inline) {
            let component = (handlers.build)(with.journal.clone(), Arc::clone(&with.resources));
            by_processor.entry(handlers.handler.name.to_owned()).or_default().extend(component);
        }
        let mut tasks: Vec<BoxFuture<'static, ()>> = Vec::new();
        tasks.push(Box::pin(queries.parts.follower.clone().run(with.stop.clone())));
        let (relatives, mut known) = (Relatives::default(), HashMap::new());
        for saga in &self.saga_handlers {
            let parts = SagaParts {
                journal: with.journal.clone(),
                resources: Arc::clone(&with.resources),
                wake: Arc::new(Wake::default()),
                relatives: Arc::clone(&relatives),
                observer: with.saga_observer.clone(),
                config: with.saga_configs.get(saga.saga.name).cloned().unwrap_or_default(),
                stop: with.stop.clone(),
            };
            known.insert(saga.saga.name, (saga.relative)(&parts));
            by_processor.entry(saga.processor()).or_default().push((saga.build)(&parts));
            if let Some(progress) = with.processors.get(&saga.processor()) {
                tasks.extend((saga.tasks)(parts, Arc::clone(&commands), progress.claims.subscribe()));
            }
        }
        // Set once, here.
        let _ = relatives.set(known);
        let live = self.view_handlers.iter().filter(|view| view.mode == ViewMode::Live);
        let mut others: Vec<(String, u32)> = live.map(|view| (view.processor.clone(), 1)).collect();
        let components =
            by_processor.values().flatten().chain(inline.values().flat_map(|parts| parts.iter())).cloned().collect();
        let mut processors = Vec::new();
        let mut parts = ProcessorParts::new();
        for (name, components) in by_processor {
            let Some(progress) = with.processors.get(&name) else { continue };
            let own = with.processor_configs.get(&name);
            let mut config = Arc::clone(own.unwrap_or(&with.processor_config));
            if let (None, Some(segments)) = (own, components.iter().find_map(|component| component.segments())) {
                Arc::make_mut(&mut config).segments = segments;
            }
            let components: Arc<[Arc<dyn EventComponent>]> = components.into();
            processors.push((name.clone(), Arc::clone(&config)));
            others.push((name.clone(), config.segments));
            parts.insert(name.clone(), Arc::clone(&components));
            let processor = StreamingProcessor {
                components,
                journal: with.journal.clone(),
                config,
                progress: progress.clone(),
                node: with.node.clone(),
                stop: with.stop.clone(),
                name,
            };
            tasks.push(Box::pin(processor.run()));
        }
        Built { commands, caches, queries, inline, others, components, parts, processors, relatives, tasks }
    }

    /// What runs in the transactions of appends.
    fn inline(&self, with: &Ingredients) -> ProcessorParts {
        let mut inline: BTreeMap<String, Vec<Arc<dyn EventComponent>>> = BTreeMap::new();
        for view in self.view_handlers.iter().filter(|view| view.mode == ViewMode::Inline) {
            let component = (view.build)(with.journal.clone(), Arc::clone(&with.resources), &with.changes);
            inline.entry(view.processor.clone()).or_default().push(component);
        }
        for handlers in self.inline_handlers() {
            let component = (handlers.build)(with.journal.clone(), Arc::clone(&with.resources));
            inline.entry(handlers.handler.name.to_owned()).or_default().extend(component);
        }
        inline.into_iter().map(|(name, components)| (name, components.into())).collect()
    }

    fn inline_handlers(&self) -> impl Iterator<Item = &HandlersDeclaration> {
        self.event_handlers.iter().filter(|handlers| handlers.mode == HandlersMode::Inline)
    }

    fn command_bus(&self, with: &Ingredients, inline: &ProcessorParts) -> (CommandBus, Vec<Arc<Usage>>) {
        let names: HashSet<&str> = self.inline_handlers().map(|handlers| handlers.handler.name).collect();
        let rows = inline.iter().filter(|(name, _)| names.contains(name.as_str())).flat_map(|(_, parts)| parts.iter());
        let rows: Vec<Arc<dyn EventComponent>> = rows.cloned().collect();
        let inline: Vec<Arc<dyn Inline>> = self
            .view_handlers
            .iter()
            .filter(|view| view.mode == ViewMode::Inline)
            .map(|view| (view.build_inline)(with.journal.clone(), Arc::clone(&with.resources)))
            .collect();
        let handling = for_all(&with.handling);
        let executor = Executor {
            journal: with.journal.clone(),
            resources: Arc::clone(&with.resources),
            config: Arc::clone(&with.command_config),
            handling: Arc::clone(&handling),
            senders: Senders::new(self.command_handlers.iter().map(|handler| handler.sender)),
            observer: with.observer.clone(),
            inline: inline.into(),
            rows: InlineRows::new(rows, &with.processor_config),
            documents: document_lanes(&with.command_config),
        };
        let policies = self.policies.iter().map(|declared| (declared.aggregate.id, declared.policy.clone())).collect();
        let mut lanes = Lanekeeper::new(executor.clone(), policies);
        let mut routes = HashMap::default();
        let mut dispatching = Dispatching { all: for_all(&with.dispatching), special: HashMap::default() };
        for handler in &self.command_handlers {
            let (name, types) = (handler.command.name, [handler.command.id, handler.handler.id]);
            lanes.surround(for_one(&with.handling, types).unwrap_or_else(|| Arc::clone(&handling)));
            routes.insert(name, handler.route(&mut lanes, &with.resources));
            if let Some(interceptors) = for_one(&with.dispatching, types) {
                dispatching.special.insert(name, interceptors);
            }
        }
        let bus = CommandBus::new(BusParts {
            routes,
            dispatching,
            retries: with.retries.clone(),
            in_flight: with.command_config.in_flight,
            executor,
        });
        (bus, lanes.into_caches())
    }

    fn query_bus(&self, with: &Ingredients) -> QueryBus {
        let mut routes: HashMap<_, Vec<query::Route>> = HashMap::new();
        for handler in &self.query_handlers {
            let surroundings = self.around(handler, &with.journal);
            routes.entry(handler.query.id).or_default().push((handler.build)(&with.resources, surroundings));
        }
        for several in routes.values_mut() {
            several.sort_by_key(|route| route.component);
        }
        let views = self.view_handlers.iter().map(|view| (view.followed)(&with.journal));
        let follower = Follower::new(
            with.journal.clone(),
            with.processors.clone(),
            with.changes.clone(),
            views,
            with.query_config.poll,
        );
        let parts = query::Parts {
            journal: with.journal.clone(),
            processors: with.processors.clone(),
            resources: Arc::clone(&with.resources),
            clock: Arc::clone(&with.clock),
            build: query::build_id(with.query_config.build.as_deref()),
            config: with.query_config.clone(),
            interceptors: with.asking.clone(),
            subscribers: with.subscribers.clone(),
            changes: with.changes.clone(),
            follower,
            stop: with.stop.clone(),
        };
        QueryBus::new(routes, parts)
    }

    /// What a query handler reads.
    fn around(&self, handler: &QueryDeclaration, journal: &Journal) -> query::Surroundings {
        let mut feeding: Vec<String> = Vec::new();
        let mut views: Vec<FollowedView> = Vec::new();
        for requirement in &handler.requirements {
            if let Requirement::View(name) = requirement {
                let declared = self.view_handlers.iter().filter(|view| view.view.name == *name);
                views.extend(declared.map(|view| (view.followed)(journal)));
            }
        }
        let asynchronous = views.iter().filter(|view| view.mode == ViewMode::Asynchronous);
        feeding.extend(asynchronous.map(|view| view.processor.clone()));
        // A component that both handles events and answers queries answers from what it wrote.
        let own = self
            .event_handlers
            .iter()
            .filter(|handlers| handlers.handler.id == handler.handler.id && handlers.mode != HandlersMode::Inline);
        feeding.extend(own.map(|handlers| handlers.handler.name.to_owned()));
        query::Surroundings { component: handler.handler.item, feeding, views }
    }
}
