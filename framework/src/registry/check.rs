//! Checks everything that is declared, and reports all problems together.

use std::any::TypeId;
use std::collections::{BTreeMap, HashSet};

use crate::command::placed::Only;
use crate::handler::{Requirement, Resources};
use crate::message::{Chains, Handlers, MessageKind, Payloads, UpcasterFault, Upcasters};
use crate::query::QueryUpdates;
use crate::view::ViewMode;

use super::Location;
use super::named::Named;
use super::problem::Problem;
use super::registrar::{HandlersDeclaration, HandlersMode, Registrar};

/// What handlers can ask for besides what they declare.
pub(crate) struct Surroundings<'a> {
    pub(crate) resources: &'a Resources,
    pub(crate) payloads: &'a Payloads,
    /// The type of the store's transactions.
    pub(crate) transaction: TypeId,
    pub(crate) store: &'a str,
    /// The types that interceptors are for.
    pub(crate) intercepted: Vec<Only>,
}

/// Where a handler runs; it decides what can be asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Aggregate,
    Decision,
    Outside,
    View,
    InlineView,
    Events,
    InlineEvents,
    ExternalEvents,
    Query,
    Saga,
}

impl Registrar {
    /// Sorts what was declared and takes out what was declared twice.
    pub(crate) fn sort(&mut self) {
        sort_by(&mut self.events, |event| (event.named.name, event.named.id));
        sort_by(&mut self.commands, |command| (command.named.name, command.named.id));
        sort_named(&mut self.queries);
        sort_named(&mut self.states);
        sort_named(&mut self.decisions);
        sort_named(&mut self.views);
        sort_named(&mut self.sagas);
        sort_named(&mut self.workflows);
        sort_by(&mut self.command_handlers, |handler| (handler.command.name, handler.handler.id));
        sort_by(&mut self.query_handlers, |handler| (handler.query.name, handler.handler.id));
        sort_by(&mut self.view_handlers, |view| (view.view.name, view.view.id));
        sort_by(&mut self.event_handlers, |handlers| (handlers.handler.name, handlers.handler.id));
        sort_by(&mut self.saga_handlers, |saga| (saga.saga.name, saga.saga.id));
        sort_by(&mut self.policies, |declared| (declared.aggregate.name, declared.aggregate.id));
        sort_by(&mut self.components, |component| (component.component.name, component.component.id));
        self.upcasters.sort_by_key(|step| (step.kind, step.from, step.location));
        self.upcasters.dedup_by_key(|step| (step.kind, step.from, step.location));
    }

    /// The upcasters, or all problems.
    pub(crate) fn check(&self, surroundings: &Surroundings<'_>) -> Result<Chains, Vec<Problem>> {
        let mut problems = Vec::new();
        problems.extend(surroundings.payloads.faults().into_iter().map(|reason| Problem::Codec { reason }));
        self.check_names(&mut problems);
        self.check_handlers(&mut problems);
        self.check_commands(&mut problems);
        self.check_intercepted(&surroundings.intercepted, &mut problems);
        self.check_sequences(&mut problems);
        self.check_snapshots(&mut problems);
        self.check_recurring(&mut problems);
        self.check_views(&mut problems);
        self.check_sagas(&mut problems);
        self.check_components(surroundings, &mut problems);
        self.check_requirements(surroundings, &mut problems);
        match self.chains() {
            Ok(chains) if problems.is_empty() => Ok(chains),
            Ok(_) => Err(problems),
            Err(faults) => {
                problems.extend(faults.into_iter().map(Problem::Upcaster));
                Err(problems)
            }
        }
    }

    /// The upcasters of every kind, or all their faults.
    pub(crate) fn chains(&self) -> Result<Chains, Vec<UpcasterFault>> {
        let events = self.known_events();
        let commands = self.commands.iter().map(|command| (command.named.name, command.revision)).collect();
        let snapshots = self.snapshots.iter().copied().collect();
        let mut faults = Vec::new();
        let mut of = |kind, current| {
            let upcasters = Upcasters::of(kind, self.steps_of(kind), current);
            upcasters.unwrap_or_else(|found| {
                faults.extend(found);
                Upcasters::default()
            })
        };
        let chains = Chains {
            events: of(MessageKind::Event, &events),
            commands: of(MessageKind::Command, &commands),
            snapshots: of(MessageKind::Snapshot, &snapshots),
        };
        let tags = self.events.iter().map(|event| (event.named.name, event.tags)).collect();
        if faults.is_empty() { Ok(Chains { events: chains.events.with_tags(tags), ..chains }) } else { Err(faults) }
    }

    fn check_recurring(&self, problems: &mut Vec<Problem>) {
        let handled = self.command_names();
        let mut names: BTreeMap<&str, Vec<(String, Location)>> = BTreeMap::new();
        for (recurring, location) in &self.recurring {
            names.entry(recurring.name()).or_default().push((recurring.command().to_owned(), *location));
            if let Err(error) = recurring.times() {
                problems.push(Problem::Recurring { reason: error.to_string(), location: *location });
            }
            if !handled.contains(recurring.command()) {
                let (name, command) = (recurring.name(), recurring.command());
                let reason =
                    format!("the recurring schedule `{name}` sends the command `{command}`, which nobody handles");
                problems.push(Problem::Recurring { reason, location: *location });
            }
        }
        let twice = names.into_iter().filter(|(_, places)| places.len() > 1);
        problems.extend(twice.map(|(name, places)| {
            let name = name.to_owned();
            Problem::DuplicateName { kind: "recurring schedule", name, places }
        }));
    }

    fn check_names(&self, problems: &mut Vec<Problem>) {
        let events: Vec<Named> = self.events.iter().map(|event| event.named.clone()).collect();
        let commands: Vec<Named> = self.commands.iter().map(|command| command.named.clone()).collect();
        let states: Vec<Named> = self.states.iter().chain(&self.decisions).cloned().collect();
        // They share their rows.
        let sagas: Vec<Named> = self.sagas.iter().chain(&self.workflows).cloned().collect();
        let kinds = [
            ("event", &events),
            ("command", &commands),
            ("query", &self.queries),
            ("aggregate", &states),
            ("view", &self.views),
            ("saga", &sagas),
        ];
        for (kind, items) in kinds {
            for (name, places) in repeated(items.iter().map(|item| (item.name, item))) {
                problems.push(Problem::DuplicateName { kind, name, places });
            }
        }
        for handlers in &self.event_handlers {
            let name = handlers.handler.name;
            if name.starts_with("view:") || name.starts_with("saga:") {
                problems
                    .push(Problem::ReservedProcessor { name: name.to_owned(), location: handlers.handler.location });
            }
        }
        self.check_modes(problems);
    }

    /// What shares a processor shares its transactions, and is told apart by names.
    fn check_modes(&self, problems: &mut Vec<Problem>) {
        let called = |handlers: &HandlersDeclaration| (handlers.handler.name, handlers.name);
        for (number, handlers) in self.event_handlers.iter().enumerate() {
            let same = self.event_handlers[..number].iter().find(|other| called(other) == called(handlers));
            if let Some(other) = same {
                problems.push(Problem::DuplicateComponent {
                    processor: handlers.handler.name.to_owned(),
                    name: handlers.name,
                    places: [other, handlers].map(|one| (one.handler.item.to_owned(), one.handler.location)).into(),
                });
            }
        }
        let mut first: Option<&HandlersDeclaration> = None;
        for handlers in &self.event_handlers {
            match first.filter(|first| first.handler.name == handlers.handler.name) {
                None => first = Some(handlers),
                Some(first) if first.mode != handlers.mode => problems.push(Problem::MixedProcessor {
                    name: handlers.handler.name.to_owned(),
                    places: [first, handlers]
                        .map(|one| (one.handler.item.to_owned(), one.mode.word(), one.handler.location))
                        .into(),
                }),
                Some(_) => {}
            }
        }
    }

    fn check_intercepted(&self, intercepted: &[Only], problems: &mut Vec<Problem>) {
        let known =
            |id| self.command_handlers.iter().any(|handler| handler.command.id == id || handler.handler.id == id);
        for Only { item, location, .. } in intercepted.iter().filter(|only| !known(only.id)) {
            problems.push(Problem::NothingIntercepted { item: (*item).to_owned(), location: *location });
        }
    }

    fn check_handlers(&self, problems: &mut Vec<Problem>) {
        let commands = self.command_handlers.iter().map(|handler| (handler.command.name, &handler.handler));
        let of_one = self.query_handlers.iter().filter(|handler| handler.handlers == Handlers::One);
        let queries = of_one.map(|handler| (handler.query.name, &handler.handler));
        for (name, places) in repeated(commands) {
            problems.push(Problem::DuplicateHandler { kind: "command", name, places });
        }
        for (name, places) in repeated(queries) {
            problems.push(Problem::DuplicateHandler { kind: "query", name, places });
        }
    }

    fn check_commands(&self, problems: &mut Vec<Problem>) {
        let is_state =
            |id| self.aggregates.contains(&id) || self.boundaries.iter().any(|(decision, _)| *decision == id);
        for handler in self.command_handlers.iter().filter(|handler| handler.outside && is_state(handler.handler.id)) {
            problems.push(Problem::AsyncDecision {
                command: handler.command.name,
                state: handler.handler.item.to_owned(),
                location: handler.handler.location,
            });
        }
        for handler in self.command_handlers.iter().filter(|handler| !handler.outside) {
            let (state, location) = (handler.handler.item.to_owned(), handler.handler.location);
            let command = handler.command.name;
            for requirement in &handler.requirements {
                if let Requirement::Model(key) = requirement {
                    missing_tags(key.boundary, handler.tags, key.name, (command, location), problems);
                }
            }
            match self.boundaries.iter().find(|(id, _)| *id == handler.handler.id) {
                Some((_, boundary)) => {
                    let (decision, places) = (state.clone(), (command, location));
                    match (handler.bounded, boundary.is_empty()) {
                        (true, _) if handler.target.is_none() && boundary.is_empty() => {
                            problems.push(Problem::NoTarget { command, aggregate: decision, location });
                        }
                        (true, _) => {}
                        (false, true) => problems.push(Problem::NoBoundary { command, decision, location }),
                        (false, false) => missing_tags(boundary, handler.tags, &decision, places, problems),
                    }
                }
                None if handler.target.is_none() => {
                    problems.push(Problem::NoTarget { command, aggregate: state, location });
                }
                None => {}
            }
        }
    }

    fn check_sequences(&self, problems: &mut Vec<Problem>) {
        for handler in self.command_handlers.iter().filter(|handler| handler.sequential && handler.routing.is_none()) {
            problems.push(Problem::NoRoutingKey {
                command: handler.command.name,
                component: handler.handler.item.to_owned(),
                location: handler.handler.location,
            });
        }
    }

    fn check_snapshots(&self, problems: &mut Vec<Problem>) {
        for declared in &self.policies {
            let mut reasons = Vec::new();
            if !self.aggregates.contains(&declared.aggregate.id) {
                reasons.push("the aggregate is not registered: include it, or link its crate".to_owned());
            }
            if !declared.storable {
                reasons.push("its states cannot be stored: write `#[aggregate(snapshot)]`".to_owned());
            }
            let unknown = declared.policy.events().iter().filter(|event| !declared.events.contains(event));
            reasons.extend(unknown.map(|event| format!("it does not apply the event `{event}`")));
            let (aggregate, location) = (declared.aggregate.item, declared.aggregate.location);
            problems.extend(reasons.into_iter().map(|reason| Problem::Snapshots {
                aggregate: aggregate.to_owned(),
                reason,
                location,
            }));
        }
    }

    fn check_views(&self, problems: &mut Vec<Problem>) {
        for view in &self.views {
            if !self.view_handlers.iter().any(|handlers| handlers.view.id == view.id) {
                problems.push(Problem::NoHandlers {
                    kind: "view",
                    item: view.item.to_owned(),
                    location: view.location,
                    remedy: "write an `impl` block with `#[view_handlers]`",
                });
            }
        }
        for view in self.view_handlers.iter().filter(|view| view.mode == ViewMode::Live) {
            for source in view.sources {
                let Some(key) = source.key.filter(|key| !source.tags.contains(key)) else { continue };
                problems.push(Problem::LiveKeyIsNoTag {
                    view: view.view.item.to_owned(),
                    event: source.event,
                    key,
                    location: view.view.location,
                });
            }
        }
    }

    fn check_sagas(&self, problems: &mut Vec<Problem>) {
        for saga in &self.sagas {
            if !self.saga_handlers.iter().any(|handlers| handlers.saga.id == saga.id) {
                problems.push(Problem::NoHandlers {
                    kind: "saga",
                    item: saga.item.to_owned(),
                    location: saga.location,
                    remedy: "write an `impl` block with `#[saga_handlers]`",
                });
            }
        }
        for workflow in &self.workflows {
            if !self.saga_handlers.iter().any(|handlers| handlers.saga.id == workflow.id) {
                problems.push(Problem::NoHandlers {
                    kind: "workflow",
                    item: workflow.item.to_owned(),
                    location: workflow.location,
                    remedy: "write an `impl` block with `#[workflow_handlers]`",
                });
            }
        }
        for handlers in &self.saga_handlers {
            for reason in &handlers.faults {
                problems.push(Problem::Steps {
                    saga: handlers.saga.item.to_owned(),
                    reason: reason.clone(),
                    location: handlers.saga.location,
                });
            }
        }
    }

    fn check_components(&self, surroundings: &Surroundings<'_>, problems: &mut Vec<Problem>) {
        for component in &self.components {
            let there = surroundings.resources.contains(component.component.id);
            if !there && component.insert_default.is_none() {
                problems.push(Problem::Unmet {
                    handler: component.component.item.to_owned(),
                    reason: "handles messages with `&self` and has no `Default`: give it with \
                             `Annals::builder().resource(..)`"
                        .to_owned(),
                    location: component.component.location,
                });
            }
        }
    }

    fn check_requirements(&self, surroundings: &Surroundings<'_>, problems: &mut Vec<Problem>) {
        let mut check = |handler: &Named, place: Place, requirements: &[Requirement]| {
            for requirement in requirements {
                if let Some(reason) = self.unmet(*requirement, place, surroundings) {
                    let handler_name = handler.item.to_owned();
                    let problem = Problem::Unmet { handler: handler_name, reason, location: handler.location };
                    // Several methods of one block may ask for the same.
                    if !problems.contains(&problem) {
                        problems.push(problem);
                    }
                }
            }
        };
        for handler in &self.command_handlers {
            let place = match (handler.outside, self.aggregates.contains(&handler.handler.id)) {
                (true, _) => Place::Outside,
                (false, true) => Place::Aggregate,
                (false, false) => Place::Decision,
            };
            check(&handler.handler, place, &handler.requirements);
        }
        for handler in &self.query_handlers {
            check(&handler.handler, Place::Query, &handler.requirements);
        }
        for view in &self.view_handlers {
            let place = if view.mode == ViewMode::Inline { Place::InlineView } else { Place::View };
            let provided =
                |need: &Requirement| matches!(need, Requirement::Enriched(id, _) if view.enriched.contains(id));
            let needs: Vec<_> = view.requirements.iter().copied().filter(|need| !provided(need)).collect();
            check(&view.view, place, &needs);
        }
        for handlers in &self.event_handlers {
            let place = match handlers.mode {
                HandlersMode::Asynchronous => Place::Events,
                HandlersMode::Inline => Place::InlineEvents,
                HandlersMode::External => Place::ExternalEvents,
            };
            check(&handlers.handler, place, &handlers.requirements);
        }
        for saga in &self.saga_handlers {
            check(&saga.saga, Place::Saga, &saga.requirements);
        }
    }

    /// Why `requirement` cannot be met in `place`.
    fn unmet(&self, requirement: Requirement, place: Place, surroundings: &Surroundings<'_>) -> Option<String> {
        let pure = matches!(place, Place::Aggregate | Place::Decision | Place::Saga | Place::View | Place::InlineView);
        match requirement {
            Requirement::None => None,
            Requirement::Updates if pure => {
                Some("asks for `QueryUpdates`: what is pure tells nobody; emit updates from an event handler".to_owned())
            }
            Requirement::Updates => None,
            Requirement::Resource(id, _) if id == TypeId::of::<QueryUpdates>() => {
                Some("asks for `&QueryUpdates`: write `updates: QueryUpdates`, by value".to_owned())
            }
            Requirement::Resource(id, name) => {
                let defaulted = self
                    .components
                    .iter()
                    .any(|component| component.component.id == id && component.insert_default.is_some());
                (!defaulted && !surroundings.resources.contains(id)).then(|| {
                    format!("asks for `&{name}`, which is no resource: add it with `Annals::builder().resource(..)`")
                })
            }
            Requirement::View(_) if pure => {
                Some("asks for the documents of a view: what it knows comes from events".to_owned())
            }
            Requirement::View(name) => (!self.views.iter().any(|view| view.name == name))
                .then(|| format!("asks for the documents of the view `{name}`, which is not registered")),
            Requirement::Transaction(id, name) => (id != surroundings.transaction).then(|| {
                format!(
                    "asks for `&mut {name}`, and the store at `{}` has another kind of transactions",
                    surroundings.store
                )
            }),
            Requirement::Recorded | Requirement::Version if place == Place::InlineEvents => {
                Some("asks for what is known of a stored event: one that is handled inline has no place yet".to_owned())
            }
            Requirement::Recorded => (!matches!(place, Place::Events | Place::ExternalEvents | Place::View | Place::Saga))
                .then(|| "asks for what is known of a stored event, which it does not handle".to_owned()),
            Requirement::Version => (!matches!(
                place,
                Place::Events | Place::ExternalEvents | Place::View | Place::Saga | Place::Aggregate
            ))
            .then(|| "asks for `Version`, and there is no stream here whose version is known".to_owned()),
            Requirement::Gateway => (!matches!(place, Place::Outside | Place::Query | Place::ExternalEvents)).then(|| {
                "asks for `Gateway`: what is pure sends nothing, and an event handler would wait for its own transaction; \
                 send commands from a saga"
                    .to_owned()
            }),
            Requirement::Model(key) => (!matches!(place, Place::Aggregate | Place::Decision))
                .then(|| format!("asks for the model `{}`, and decides on no command of an aggregate or a decision", key.name)),
            Requirement::Unseen => (place != Place::Aggregate)
                .then(|| "asks for `Unseen`, and there is no stream here whose version a caller expects".to_owned()),
            Requirement::Scheduler => (!matches!(
                place,
                Place::Outside | Place::Query | Place::Events | Place::ExternalEvents
            ))
            .then(|| {
                "asks for `Scheduler`, and what is pure schedules nothing: use a deadline of a saga, or an event handler"
                    .to_owned()
            }),
            Requirement::Enriched(_, name) => Some(if matches!(place, Place::View | Place::InlineView) {
                format!("takes `Enriched<{name}>`, and none of its methods with `#[enrich]` returns `{name}`")
            } else {
                format!("takes `Enriched<{name}>`, which only the handlers of a view can")
            }),
            Requirement::DocumentKey => (!matches!(place, Place::View | Place::InlineView))
                .then(|| "takes `Key`, which only the handlers of a view can: it is the key of a document".to_owned()),
            Requirement::Command => (!matches!(place, Place::Aggregate | Place::Decision | Place::Outside))
                .then(|| "asks for `CommandId`, and handles no command".to_owned()),
        }
    }
}

/// Reports each tag of `boundary` that a command has not.
fn missing_tags(
    boundary: &'static [&'static [&'static str]],
    tags: &[&str],
    decision: &str,
    (command, location): (&'static str, super::Location),
    problems: &mut Vec<Problem>,
) {
    for &tag in boundary.iter().copied().flatten().filter(|tag| !tags.contains(tag)) {
        let problem = Problem::NoBoundaryTag { command, decision: decision.to_owned(), tag, location };
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
}

/// Names that more than one item has, with all of these.
fn repeated<'a>(
    items: impl Iterator<Item = (&'static str, &'a Named)>,
) -> Vec<(String, Vec<(String, super::Location)>)> {
    let mut by_name: BTreeMap<&'static str, Vec<&Named>> = BTreeMap::new();
    for (name, item) in items {
        by_name.entry(name).or_default().push(item);
    }
    let places = |mut items: Vec<&Named>| {
        items.sort_by_key(|item| item.location);
        items.iter().map(|item| (item.item.to_owned(), item.location)).collect()
    };
    by_name
        .into_iter()
        .filter(|(_, items)| items.len() > 1)
        .map(|(name, items)| (name.to_owned(), places(items)))
        .collect()
}

fn sort_named(items: &mut Vec<Named>) {
    sort_by(items, |item| (item.name, item.id));
}

/// Sorts by name; what was declared twice, by discovery and by hand, stays once.
fn sort_by<T>(items: &mut Vec<T>, key: impl Fn(&T) -> (&'static str, TypeId)) {
    let mut seen = HashSet::new();
    items.retain(|item| seen.insert(key(item)));
    items.sort_by_key(|item| key(item).0);
}
