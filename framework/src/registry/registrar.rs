//! Takes declarations, one method for each kind.

use std::any::{TypeId, type_name};
use std::sync::Arc;

use crate::aggregate::{Aggregate, Decision, EventSourced, HandledBy};
use crate::command::{CommandHandler, CommandTarget, FormatOf, Lanekeeper, Route, ServedBy, ServiceHandler};
use crate::handler::{Requirement, Resources};
use crate::message::{Command, Event, Query, UpcastStep};
use crate::processor::{EventComponent, EventHandlers, HandlersComponent};
use crate::query::{self, AnsweredBy};
use crate::saga::{Saga, SagaHandlers};
use crate::store::Journal;
use crate::view::{View, ViewComponent, ViewHandlers, ViewMode, ViewSource, processor_name};

use super::Location;
use super::named::Named;
use super::saga::SagaDeclaration;

/// How the component behind a handler comes to be.
#[derive(Debug)]
pub enum Component<H> {
    /// No handler takes `&self`.
    None,
    /// From the resources, or else made by its `Default`.
    Default(fn() -> H),
    /// From the resources alone.
    Resource,
}

impl<H> Clone for Component<H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H> Copy for Component<H> {}

/// Everything that an application declares. The macros call it through `inventory`; a builder may call it by hand.
#[derive(Default)]
pub struct Registrar {
    pub(super) events: Vec<EventDeclaration>,
    pub(super) commands: Vec<Named>,
    pub(super) queries: Vec<Named>,
    pub(super) states: Vec<Named>,
    pub(super) decisions: Vec<Named>,
    pub(super) boundaries: Vec<(TypeId, &'static [&'static str])>,
    pub(super) aggregates: Vec<TypeId>,
    pub(super) command_handlers: Vec<CommandDeclaration>,
    pub(super) query_handlers: Vec<QueryDeclaration>,
    pub(super) views: Vec<Named>,
    pub(super) view_handlers: Vec<ViewDeclaration>,
    pub(super) event_handlers: Vec<HandlersDeclaration>,
    pub(super) sagas: Vec<Named>,
    pub(super) saga_handlers: Vec<SagaDeclaration>,
    pub(super) components: Vec<ComponentDeclaration>,
    pub(super) upcasters: Vec<UpcastStep>,
}

pub(super) struct EventDeclaration {
    pub(super) named: Named,
    pub(super) revision: u32,
}

type BuildCommand = Box<dyn Fn(&mut Lanekeeper, &Resources) -> Arc<dyn CommandHandler> + Send + Sync>;

pub(super) struct CommandDeclaration {
    pub(super) command: Named,
    pub(super) target: Option<&'static str>,
    pub(super) tags: &'static [&'static str],
    /// The state or component that handles it.
    pub(super) handler: Named,
    /// Whether it is handled outside aggregates.
    pub(super) outside: bool,
    pub(super) requirements: Vec<Requirement>,
    pub(super) build: BuildCommand,
    pub(super) format: fn() -> Box<dyn crate::command::Format>,
}

impl CommandDeclaration {
    pub(super) fn route(&self, lanes: &mut Lanekeeper, resources: &Resources) -> Route {
        Route { command: self.command.id, handler: (self.build)(lanes, resources), format: (self.format)() }
    }
}

pub(super) struct QueryDeclaration {
    pub(super) query: Named,
    pub(super) handler: Named,
    pub(super) requirements: Vec<Requirement>,
    pub(super) build: fn(&Resources, Vec<String>) -> query::Route,
}

pub(super) struct ViewDeclaration {
    pub(super) view: Named,
    pub(super) mode: ViewMode,
    pub(super) processor: String,
    pub(super) sources: &'static [ViewSource],
    pub(super) requirements: Vec<Requirement>,
    pub(super) build: fn(Journal, Arc<Resources>) -> Arc<dyn EventComponent>,
    pub(super) build_inline: fn(Journal, Arc<Resources>) -> Arc<dyn crate::command::inline::Inline>,
}

pub(super) struct HandlersDeclaration {
    pub(super) handler: Named,
    pub(super) requirements: Vec<Requirement>,
    pub(super) build: fn(Journal, Arc<Resources>) -> Option<Arc<dyn EventComponent>>,
}

type InsertDefault = Box<dyn Fn(&mut Resources) + Send + Sync>;

/// A component that handlers need.
pub(super) struct ComponentDeclaration {
    pub(super) component: Named,
    /// Puts its default among the resources; `None` where it has none.
    pub(super) insert_default: Option<InsertDefault>,
}

impl Registrar {
    /// An event.
    pub fn event<E: Event>(&mut self, location: Location) {
        self.events.push(EventDeclaration { named: Named::of::<E>(E::NAME, location), revision: E::REVISION });
    }

    /// A command.
    pub fn command<C: Command>(&mut self, location: Location) {
        self.commands.push(Named::of::<C>(C::NAME, location));
    }

    /// A query.
    pub fn query<Q: Query>(&mut self, location: Location) {
        self.queries.push(Named::of::<Q>(Q::NAME, location));
    }

    /// An aggregate.
    pub fn aggregate<A: Aggregate>(&mut self, location: Location) {
        self.aggregates.push(TypeId::of::<A>());
        self.states.push(Named::of::<A>(A::NAME, location));
    }

    /// A decision.
    pub fn decision<D: Decision>(&mut self, location: Location) {
        self.boundaries.push((TypeId::of::<D>(), D::BOUNDARY));
        // Decisions may share their streams; an aggregate may not.
        if !self.decisions.iter().any(|decision| decision.name == D::NAME) {
            self.decisions.push(Named::of::<D>(D::NAME, location));
        }
    }

    /// The events that change a state. The compiler checks them; nothing is left to check at start.
    pub fn event_sourcing<S: EventSourced>(&mut self, _location: Location) {}

    /// A command decided by an aggregate or a decision.
    pub fn command_handler<S: CommandTarget, C: HandledBy<S>>(&mut self, location: Location) {
        self.command_handlers.push(CommandDeclaration {
            command: Named::of::<C>(C::NAME, location),
            target: C::TARGET,
            tags: C::TAG_KEYS,
            handler: Named::of::<S>(type_name::<S>(), location),
            outside: false,
            requirements: C::requirements(),
            build: Box::new(|lanes, _| lanes.handler::<S, C>()),
            format: || Box::new(FormatOf::<C>(std::marker::PhantomData)),
        });
    }

    /// A command handled outside aggregates.
    pub fn service_handler<H: Send + Sync + 'static, C: ServedBy<H>>(
        &mut self,
        component: Component<H>,
        location: Location,
    ) {
        self.component(component, location);
        self.command_handlers.push(CommandDeclaration {
            command: Named::of::<C>(C::NAME, location),
            target: C::TARGET,
            tags: C::TAG_KEYS,
            handler: Named::of::<H>(type_name::<H>(), location),
            outside: true,
            requirements: C::requirements(),
            build: Box::new(|lanes, resources| {
                Arc::new(ServiceHandler::<H, C> {
                    executor: lanes.executor().clone(),
                    lanes: lanes.services(),
                    component: resources.shared::<H>(),
                    command: std::marker::PhantomData,
                })
            }),
            format: || Box::new(FormatOf::<C>(std::marker::PhantomData)),
        });
    }

    /// A view.
    pub fn view<V: View>(&mut self, location: Location) {
        self.views.push(Named::of::<V>(V::NAME, location));
    }

    /// The handlers of a view.
    pub fn view_handlers<V: ViewHandlers>(&mut self, location: Location) {
        self.view_handlers.push(ViewDeclaration {
            view: Named::of::<V>(V::NAME, location),
            mode: V::MODE,
            processor: processor_name::<V>(),
            sources: V::SOURCES,
            requirements: V::requirements(),
            build: |journal, resources| Arc::new(ViewComponent::<V>::new(journal, resources)),
            build_inline: |journal, resources| Arc::new(ViewComponent::<V>::new(journal, resources)),
        });
    }

    /// Event handlers with rows of their own.
    pub fn event_handlers<H: EventHandlers>(&mut self, component: Component<H>, location: Location) {
        self.component(component, location);
        self.event_handlers.push(HandlersDeclaration {
            handler: Named::of::<H>(H::PROCESSOR, location),
            requirements: H::requirements(),
            build: |journal, resources| {
                let component = resources.shared::<H>()?;
                Some(Arc::new(HandlersComponent { component, journal, resources }))
            },
        });
    }

    /// A query handler.
    pub fn query_handler<H: Send + Sync + 'static, Q: AnsweredBy<H>>(
        &mut self,
        component: Component<H>,
        location: Location,
    ) {
        self.component(component, location);
        self.query_handlers.push(QueryDeclaration {
            query: Named::of::<Q>(Q::NAME, location),
            handler: Named::of::<H>(type_name::<H>(), location),
            requirements: Q::requirements(),
            build: |resources, processors| query::Route::new::<H, Q>(resources.shared::<H>(), processors),
        });
    }

    /// A saga.
    pub fn saga<S: Saga>(&mut self, location: Location) {
        self.sagas.push(Named::of::<S>(S::NAME, location));
    }

    /// The handlers of a saga.
    pub fn saga_handlers<S: SagaHandlers>(&mut self, location: Location) {
        self.saga_handlers.push(SagaDeclaration::of::<S>(location));
    }

    /// A step of an upcaster.
    pub fn upcaster(&mut self, step: UpcastStep) {
        self.upcasters.push(step);
    }

    pub(crate) fn upcast_steps(self) -> Vec<UpcastStep> {
        self.upcasters
    }

    fn component<H: Send + Sync + 'static>(&mut self, component: Component<H>, location: Location) {
        let insert_default: Option<InsertDefault> = match component {
            Component::None => return,
            Component::Resource => None,
            Component::Default(make) => Some(Box::new(move |resources| resources.insert(make()))),
        };
        let component = Named::of::<H>(type_name::<H>(), location);
        self.components.push(ComponentDeclaration { component, insert_default });
    }
}

impl std::fmt::Debug for Registrar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registrar")
            .field("events", &self.events.len())
            .field("commands", &self.command_handlers.len())
            .field("queries", &self.query_handlers.len())
            .field("views", &self.view_handlers.len())
            .field("sagas", &self.saga_handlers.len())
            .finish_non_exhaustive()
    }
}
