//! Takes declarations, one method for each kind.

use std::any::{TypeId, type_name};
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::aggregate::{Aggregate, Decision, EventSourced, HandledBy, SnapshotPolicy};
use crate::catalogue::{Described, Shape, Types};
use crate::command::class::Sender;
use crate::command::{
    Checks, CommandHandler, CommandTarget, FormatOf, Lanekeeper, Recurring, Route, ServedBy, ServiceHandler,
};
use crate::handler::{Requirement, Resources};
use crate::message::{
    CodecError, Command, Decode, Event, Handlers, Json, MessageKind, Query, QueryKind, StreamQuery, TagsOf,
    UpcastError, UpcastStep,
};
use crate::processor::{EventComponent, EventHandlers, ExternalComponent, ExternalHandlers, HandlersComponent};
use crate::query::{self, AnsweredBy, StreamedBy};
use crate::saga::{Saga, SagaHandlers};
use crate::store::Journal;
use crate::view::{
    FollowedView, IndexedView, View, ViewChanges, ViewComponent, ViewHandlers, ViewMode, ViewSource, processor_name,
};
use crate::workflow::{Workflow, WorkflowHandlers};

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
    pub(super) commands: Vec<StoredDeclaration>,
    pub(super) queries: Vec<Named>,
    pub(super) states: Vec<Named>,
    pub(super) decisions: Vec<Named>,
    pub(super) boundaries: Vec<(TypeId, &'static [&'static [&'static str]])>,
    pub(super) aggregates: Vec<TypeId>,
    /// Aggregates whose states are stored as snapshots, with the revision of their schema.
    pub(super) snapshots: Vec<(&'static str, u32)>,
    pub(super) policies: Vec<PolicyDeclaration>,
    /// Commands that are sent again and again.
    pub(super) recurring: Vec<(Recurring, Location)>,
    pub(super) command_handlers: Vec<CommandDeclaration>,
    pub(super) query_handlers: Vec<QueryDeclaration>,
    pub(super) views: Vec<Named>,
    /// The versions of views, by their types.
    pub(super) view_versions: HashMap<TypeId, u32>,
    pub(super) view_handlers: Vec<ViewDeclaration>,
    pub(super) event_handlers: Vec<HandlersDeclaration>,
    pub(super) sagas: Vec<Named>,
    pub(super) workflows: Vec<Named>,
    pub(super) saga_handlers: Vec<SagaDeclaration>,
    pub(super) components: Vec<ComponentDeclaration>,
    pub(super) upcasters: Vec<UpcastStep>,
    /// The shapes of messages and states.
    pub(super) shapes: HashMap<TypeId, fn() -> (Shape, Types)>,
}

pub(super) struct EventDeclaration {
    pub(super) named: Named,
    pub(super) revision: u32,
    /// The tags of an event with this payload.
    pub(super) tags: TagsOf,
    /// Decodes an event, and writes it again.
    pub(super) check: fn(Decode<'_>) -> Result<Json, UpcastError>,
}

/// A command, which may be stored.
pub(super) struct StoredDeclaration {
    pub(super) named: Named,
    pub(super) revision: u32,
    /// Decodes a command.
    pub(super) check: fn(Json) -> Result<(), serde_json::Error>,
}

/// When the application wants snapshots of an aggregate.
pub(super) struct PolicyDeclaration {
    pub(super) aggregate: Named,
    pub(super) policy: SnapshotPolicy,
    /// Whether its states can be stored.
    pub(super) storable: bool,
    /// The events that it applies.
    pub(super) events: &'static [&'static str],
}

type BuildCommand = Box<dyn Fn(&mut Lanekeeper, &Resources) -> Arc<dyn CommandHandler> + Send + Sync>;

pub(super) struct CommandDeclaration {
    pub(super) command: Named,
    pub(super) target: Option<&'static str>,
    pub(super) tags: &'static [&'static str],
    /// Whether it brings its own boundary.
    pub(super) bounded: bool,
    /// The state or component that handles it.
    pub(super) handler: Named,
    /// Whether it is handled outside aggregates.
    pub(super) outside: bool,
    /// Whether it is kept in order by its routing key, and what that is.
    pub(super) sequential: bool,
    pub(super) routing: Option<&'static str>,
    pub(super) checks: Checks,
    pub(super) sender: Sender,
    pub(super) requirements: Vec<Requirement>,
    pub(super) build: BuildCommand,
    pub(super) format: fn() -> Box<dyn crate::command::Format>,
}

impl CommandDeclaration {
    pub(super) fn route(&self, lanes: &mut Lanekeeper, resources: &Resources) -> Route {
        Route {
            command: self.command.id,
            checks: self.checks,
            handler: (self.build)(lanes, resources),
            format: (self.format)(),
        }
    }
}

pub(super) struct QueryDeclaration {
    pub(super) query: Named,
    pub(super) handler: Named,
    /// How many of them the query may have.
    pub(super) handlers: Handlers,
    pub(super) requirements: Vec<Requirement>,
    pub(super) build: fn(&Resources, query::Surroundings) -> query::Route,
}

pub(super) struct ViewDeclaration {
    pub(super) view: Named,
    pub(super) mode: ViewMode,
    pub(super) indexed: IndexedView,
    pub(super) processor: String,
    pub(super) sources: &'static [ViewSource],
    /// Types of what it looks up for a page.
    pub(super) enriched: Vec<TypeId>,
    pub(super) requirements: Vec<Requirement>,
    pub(super) build: fn(Journal, Arc<Resources>, &ViewChanges) -> Arc<dyn EventComponent>,
    pub(super) followed: fn(&Journal) -> FollowedView,
    pub(super) build_inline: fn(Journal, Arc<Resources>) -> Arc<dyn crate::command::inline::Inline>,
}

pub(super) struct HandlersDeclaration {
    pub(super) handler: Named,
    pub(super) mode: HandlersMode,
    /// What it is called among those of its processor.
    pub(super) name: &'static str,
    pub(super) requirements: Vec<Requirement>,
    pub(super) build: fn(Journal, Arc<Resources>) -> Option<Arc<dyn EventComponent>>,
}

/// In which transaction event handlers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandlersMode {
    /// In that of their processor.
    Asynchronous,
    /// In that of the append.
    Inline,
    /// In none.
    External,
}

impl HandlersMode {
    /// How a message calls it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Asynchronous => "asynchronous",
            Self::Inline => "inline",
            Self::External => "external",
        }
    }
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
        self.events.push(EventDeclaration {
            named: Named::of::<E>(E::NAME, location),
            revision: E::REVISION,
            tags: |payload| serde_json::from_value::<E>(payload.clone()).ok().map(|event| event.tags()),
            check: |decode| {
                serde_json::to_value(decode.into_event::<E>()?).map_err(|error| UpcastError::Payload {
                    name: E::NAME.to_owned(),
                    revision: E::REVISION,
                    source: CodecError::new(error),
                })
            },
        });
    }

    /// A command.
    pub fn command<C: Command>(&mut self, location: Location) {
        self.commands.push(StoredDeclaration {
            named: Named::of::<C>(C::NAME, location),
            revision: C::REVISION,
            check: |payload| serde_json::from_value::<C>(payload).map(drop),
        });
    }

    /// A query.
    pub fn query<Q: Query>(&mut self, location: Location) {
        self.queries.push(Named::of::<Q>(Q::NAME, location));
    }

    /// A query whose answer is a stream.
    pub fn stream_query<Q: StreamQuery>(&mut self, location: Location) {
        self.queries.push(Named::of::<Q>(Q::NAME, location));
    }

    /// An aggregate.
    pub fn aggregate<A: Aggregate>(&mut self, location: Location) {
        self.aggregates.push(TypeId::of::<A>());
        self.states.push(Named::of::<A>(A::NAME, location));
        let revision = A::snapshots().and_then(|snapshots| snapshots.revision());
        self.snapshots.extend(revision.map(|revision| (A::NAME, revision)));
    }

    /// When snapshots of an aggregate are made, in place of what its attribute says. The last word counts.
    pub fn snapshots<A: Aggregate>(&mut self, policy: SnapshotPolicy, location: Location) {
        let aggregate = Named::of::<A>(A::NAME, location);
        self.policies.retain(|declared| declared.aggregate.id != aggregate.id);
        let storable = A::snapshots().is_some();
        self.policies.push(PolicyDeclaration { aggregate, policy, storable, events: A::EVENTS });
    }

    /// A command that is sent again and again.
    pub fn recurring(&mut self, recurring: Recurring, location: Location) {
        self.recurring.push((recurring, location));
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
            bounded: C::BOUNDED,
            handler: Named::of::<S>(type_name::<S>(), location),
            outside: false,
            sequential: false,
            routing: C::ROUTING.or(C::TARGET),
            checks: Checks::of::<C>(),
            sender: Sender::of(PhantomData::<fn() -> C>),
            requirements: C::requirements(),
            build: Box::new(|lanes, _| lanes.handler::<S, C>()),
            format: || Box::new(FormatOf::<C>(PhantomData)),
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
            bounded: false,
            handler: Named::of::<H>(type_name::<H>(), location),
            outside: true,
            sequential: C::SEQUENTIAL,
            routing: C::ROUTING.or(C::TARGET),
            checks: Checks::of::<C>(),
            sender: Sender::of(PhantomData::<fn() -> C>),
            requirements: C::requirements(),
            build: Box::new(|lanes, resources| {
                Arc::new(ServiceHandler::<H, C> {
                    executor: lanes.executor().clone(),
                    lanes: lanes.services(),
                    sequence: C::SEQUENTIAL.then(|| lanes.sequence::<H>()),
                    component: resources.shared::<H>(),
                    command: PhantomData,
                })
            }),
            format: || Box::new(FormatOf::<C>(PhantomData)),
        });
    }

    /// A view.
    pub fn view<V: View>(&mut self, location: Location) {
        self.views.push(Named::of::<V>(V::NAME, location));
        self.view_versions.insert(TypeId::of::<V>(), V::VERSION);
    }

    /// The handlers of a view.
    pub fn view_handlers<V: ViewHandlers>(&mut self, location: Location) {
        self.view_handlers.push(ViewDeclaration {
            view: Named::of::<V>(V::NAME, location),
            mode: V::MODE,
            indexed: IndexedView {
                item: std::any::type_name::<V>().to_owned(),
                name: V::NAME,
                version: V::VERSION,
                indexes: V::INDEXES,
                location,
            },
            processor: processor_name::<V>(),
            sources: V::SOURCES,
            requirements: V::requirements(),
            enriched: V::enriched(),
            build: |journal, resources, changes| {
                Arc::new(ViewComponent::<V>::new(journal, resources).reporting_to(changes.clone()))
            },
            followed: FollowedView::of::<V>,
            build_inline: |journal, resources| Arc::new(ViewComponent::<V>::new(journal, resources)),
        });
    }

    /// The views that keep documents, with their indexes.
    pub(crate) fn indexed_views(&self) -> Vec<&IndexedView> {
        self.view_handlers.iter().filter(|view| view.mode != ViewMode::Live).map(|view| &view.indexed).collect()
    }

    /// Event handlers with rows of their own.
    pub fn event_handlers<H: EventHandlers>(&mut self, component: Component<H>, location: Location) {
        self.component(component, location);
        self.event_handlers.push(HandlersDeclaration {
            handler: Named::of::<H>(H::PROCESSOR, location),
            name: H::NAME,
            mode: if H::INLINE { HandlersMode::Inline } else { HandlersMode::Asynchronous },
            requirements: H::requirements(),
            build: |journal, resources| {
                let component = resources.shared::<H>()?;
                Some(Arc::new(HandlersComponent { component, journal, resources }))
            },
        });
    }

    /// Event handlers that write to other systems.
    pub fn external_handlers<H: ExternalHandlers>(&mut self, component: Component<H>, location: Location) {
        self.component(component, location);
        self.event_handlers.push(HandlersDeclaration {
            handler: Named::of::<H>(H::PROCESSOR, location),
            name: H::NAME,
            mode: HandlersMode::External,
            requirements: H::requirements(),
            build: |journal, resources| {
                let component = resources.shared::<H>()?;
                Some(Arc::new(ExternalComponent { component, journal, resources }))
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
            handlers: Q::Kind::HANDLERS,
            requirements: Q::requirements(),
            build: |resources, around| query::Route::answering::<H, Q>(resources.shared::<H>(), around),
        });
    }

    /// A handler of a query whose answer is a stream.
    pub fn stream_handler<H: Send + Sync + 'static, Q: StreamedBy<H>>(
        &mut self,
        component: Component<H>,
        location: Location,
    ) {
        self.component(component, location);
        self.query_handlers.push(QueryDeclaration {
            query: Named::of::<Q>(Q::NAME, location),
            handler: Named::of::<H>(type_name::<H>(), location),
            handlers: Handlers::One,
            requirements: Q::requirements(),
            build: |resources, around| query::Route::streaming::<H, Q>(resources.shared::<H>(), around),
        });
    }

    /// A saga.
    pub fn saga<S: Saga>(&mut self, location: Location) {
        self.sagas.push(Named::of::<S>(S::NAME, location));
    }

    /// A workflow.
    pub fn workflow<W: Workflow>(&mut self, location: Location) {
        self.workflows.push(Named::of::<W>(W::NAME, location));
    }

    /// The function of a workflow.
    pub fn workflow_handlers<W: WorkflowHandlers>(&mut self, location: Location) {
        self.saga_handlers.push(SagaDeclaration::of_workflow::<W>(location));
    }

    /// The handlers of a saga.
    pub fn saga_handlers<S: SagaHandlers>(&mut self, location: Location) {
        self.saga_handlers.push(SagaDeclaration::of::<S>(location));
    }

    /// The shape of a message or a state, for the catalogue.
    pub fn described<T: Described + 'static>(&mut self) {
        self.shapes.insert(TypeId::of::<T>(), || {
            let mut types = Types::default();
            T::describe_nested(&mut types);
            (T::shape(), types)
        });
    }

    /// A step of an upcaster.
    pub fn upcaster(&mut self, step: UpcastStep) {
        self.upcasters.push(step);
    }

    /// The steps that lift messages of this kind.
    pub(crate) fn steps_of(&self, kind: MessageKind) -> Vec<UpcastStep> {
        self.upcasters.iter().filter(|step| step.kind == kind).cloned().collect()
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
