//! Given events, when a command, then events, an error, nothing, or a reply.

use std::fmt::Debug;

use crate::aggregate::{Creation, EventSourced, Events, HandledBy, Lifecycle, models};
use crate::command::{CommandTarget, Consistency, Unseen, UnseenEvent};
use crate::handler::{Context, Resources};
use crate::message::{Command, CommandId, Decode, Metadata, Payloads, Timestamp, Version};
use crate::store::Criteria;

use super::deadlines::SeenDeadlines;
use super::decided::{Decided, ENDED, Outcome};
use super::facts::{Fact, Facts, described, facts};
use super::messages::Comparison;
use super::{TestClock, diff};

/// A state built from events, ready for a command.
///
/// ```
/// use annals::prelude::*;
/// use annals::testing::given;
///
/// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "lamp.switch")]
/// # struct Switch { #[target] lamp: String }
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.switched")] struct Switched { on: bool }
/// # #[derive(Aggregate, Default, Clone, Debug)] #[aggregate(name = "lamp")] struct Lamp { on: bool }
/// # #[event_sourcing] impl Lamp { #[apply] fn switched(&mut self, event: &Switched) { self.on = event.on; } }
/// # #[command_handlers] impl Lamp {
/// #     #[handle] fn switch(&self, _command: Switch) -> Switched { Switched { on: !self.on } }
/// # }
/// # fn main() {
/// given::<Lamp>(Switched { on: true }).when(Switch { lamp: "hall".into() }).then_events(Switched { on: false });
/// # }
/// ```
#[must_use]
#[derive(Debug)]
pub struct Given<S> {
    /// Where it does not begin with nothing.
    base: Option<S>,
    lifecycle: Lifecycle,
    pub(super) facts: Vec<Fact>,
    pub(super) now: Timestamp,
    metadata: Metadata,
    resources: Resources,
    unseen: Option<Unseen>,
}

/// Begins a test: these events have happened.
pub fn given<S: CommandTarget + Debug>(events: impl Facts) -> Given<S> {
    Given {
        base: None,
        lifecycle: Lifecycle::Keep,
        facts: facts(events),
        now: crate::message::Clock::now(&TestClock::default()),
        metadata: Metadata::new(),
        resources: Resources::default(),
        unseen: None,
    }
}

/// Begins a test: the target exists, and this is its state. For an aggregate whose state is stored, and where the events
/// that lead to the state are not the point.
///
/// ```
/// use annals::prelude::*;
/// use annals::testing::given_state;
///
/// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "lamp.switch")]
/// # struct Switch { #[target] lamp: String }
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.switched")] struct Switched { on: bool }
/// # #[derive(Aggregate, Default, Clone, Debug)] #[aggregate(name = "lamp")] struct Lamp { on: bool }
/// # #[event_sourcing] impl Lamp { #[apply] fn switched(&mut self, event: &Switched) { self.on = event.on; } }
/// # #[command_handlers] impl Lamp {
/// #     #[handle] fn switch(&self, _command: Switch) -> Switched { Switched { on: !self.on } }
/// # }
/// # fn main() {
/// given_state(Lamp { on: true })
///     .when(Switch { lamp: "hall".into() })
///     .then_events(Switched { on: false })
///     .then_state(|lamp| assert!(!lamp.on));
/// # }
/// ```
pub fn given_state<S: CommandTarget + Debug>(state: S) -> Given<S> {
    Given { base: Some(state), ..given(()) }
}

impl<S: CommandTarget + Debug> Given<S> {
    /// The instant that a handler gets as `Now`. Default: noon of 2026-01-01.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// What the command carries besides its payload.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key, value);
        self
    }

    /// These of the given events have happened since the sender looked, for a handler that takes
    /// [`Unseen`](crate::command::Unseen).
    pub fn unseen(mut self, events: impl Facts) -> Self {
        let facts = facts(events);
        let unseen = (1..).zip(&facts).map(|(number, fact)| {
            let recorded = fact.recorded(number, self.now).recorded;
            let (name, payload) = fact.described();
            UnseenEvent { recorded, name, payload }
        });
        self.unseen = Some(Unseen::new(unseen.collect()));
        self
    }

    /// A value that the handler asks for by its type.
    pub fn resource<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.resources.insert(value);
        self
    }

    /// This command was handled before: what came of it is given as well.
    ///
    /// # Panics
    /// When it is not accepted, and for the reasons of [`Given::when`].
    #[track_caller]
    pub fn after<C: HandledBy<S>>(mut self, command: C) -> Self {
        let handled = self.handle(&command);
        handled.decided.accepted();
        self.keep(handled);
        self
    }

    /// Goes on from what came of a command that was accepted.
    pub(super) fn keep<C: HandledBy<S>>(&mut self, handled: Handled<C, S>) {
        if <S::Consistency as Consistency<S>>::FROM_EVENTS {
            self.facts.extend(handled.emitted);
        } else {
            (self.base, self.lifecycle) = (Some(handled.decided.state), handled.lifecycle);
        }
    }

    /// Handles `command`. A decision sees the given events inside its boundary, as in an application.
    ///
    /// # Panics
    /// When a given event cannot be applied, or the handler changed the state other than through events.
    #[must_use = "say what should have come of it"]
    #[track_caller]
    pub fn when<C: HandledBy<S>>(self, command: C) -> Decided<C, S> {
        self.handle(&command).decided
    }

    #[track_caller]
    pub(super) fn handle<C: HandledBy<S>>(&self, command: &C) -> Handled<C, S> {
        let (mut brought, modelled) = self.models(command);
        if let Some(unseen) = self.unseen.clone() {
            brought.insert(unseen);
        }
        let facts = self.seen_by(command, &modelled);
        let initial = self.base.clone().unwrap_or_else(|| command.initial());
        let (before, folded) = fold(initial, &facts, self.now);
        let count = facts.len() as u64 + u64::from(self.base.is_some());
        if let Some(reason) = self.unfit::<C>(folded, count) {
            return Handled::refused(reason, before);
        }
        let context = Context::new(self.now, &self.metadata, &self.resources)
            .with_command(CommandId::new(), Version::new(count))
            .with_brought(Some(&brought));
        let mut events = Events::default();
        let outcome = command.decide(&before, &context, &mut events).map_or_else(Outcome::from, Outcome::Accepted);
        let emitted = emitted(&events);
        let left = events.take_left();
        if let Some(left) = left.as_ref().filter(|_| <S::Consistency as Consistency<S>>::FROM_EVENTS) {
            assert_from_events::<C, S>(left, &fold(before.clone(), &emitted, self.now).0);
        }
        let outcome = fitting(outcome, &events, &before);
        let after = match (&outcome, left) {
            (Outcome::Accepted(_), _) if <S::Consistency as Consistency<S>>::FROM_EVENTS => {
                fold(before, &emitted, self.now).0
            }
            (Outcome::Accepted(_), Some(left)) => left,
            _ => before,
        };
        let outcome = kept(outcome, &events);
        let (lifecycle, shown) = (events.lifecycle(), described(&emitted));
        let (comparison, deadlines) = (Comparison::default(), SeenDeadlines::of(events.awaited(), self.now));
        let decided = Decided { outcome, events: shown, state: after, comparison, deadlines };
        Handled { decided, emitted, lifecycle }
    }

    /// The given events that the target sees.
    fn seen_by<C: HandledBy<S>>(&self, command: &C, modelled: &Criteria) -> Vec<Fact> {
        let boundary = <S::Consistency as Consistency<S>>::boundary(command);
        let sees = |fact: &&Fact| match &boundary {
            // What only a model sees is not part of the target's own history.
            None => S::EVENTS.contains(&&*fact.name) || !modelled.matches(&fact.name, &fact.tags),
            Some(boundary) => boundary.matches(&fact.name, &fact.tags),
        };
        self.facts.iter().filter(sees).cloned().collect()
    }

    /// Why the target cannot take the command, before it is decided.
    fn unfit<C: HandledBy<S>>(&self, folded: Lifecycle, count: u64) -> Option<&'static str> {
        if !<S::Consistency as Consistency<S>>::CHECKS_CREATION {
            return None;
        }
        match (C::CREATION, count) {
            _ if folded == Lifecycle::End || self.lifecycle == Lifecycle::End => Some(ENDED),
            (Creation::MustNotExist, 1..) => Some("the target exists already"),
            (Creation::MustExist, 0) => Some("the target does not exist"),
            _ => None,
        }
    }
}

/// What came of a command, and the events as they would be stored.
pub(super) struct Handled<C: Command, S> {
    pub(super) decided: Decided<C, S>,
    pub(super) emitted: Vec<Fact>,
    lifecycle: Lifecycle,
}

impl<C: Command, S> Handled<C, S> {
    fn refused(reason: &str, state: S) -> Self {
        let (events, comparison) = (Vec::new(), Comparison::default());
        let (outcome, deadlines) = (Outcome::Failed(reason.to_owned()), SeenDeadlines::default());
        let decided = Decided { outcome, events, state, comparison, deadlines };
        Self { decided, emitted: Vec::new(), lifecycle: Lifecycle::Keep }
    }
}

/// # Panics
/// When the state that the handler left is not the one that its events lead to.
#[track_caller]
fn assert_from_events<C: Command, S: Debug>(left: &S, folded: &S) {
    if format!("{left:?}") != format!("{folded:?}") {
        panic!(
            "the handler of `{}` changed the state other than through events\nleft by the handler: {left:#?}\nfrom its \
             events: {folded:#?}\n{} (expected from its events, was left by the handler)",
            C::NAME,
            diff::section(diff::debug(folded, left), "  ")
        );
    }
}

/// As in an application, an event that does not fit the state is not stored.
fn fitting<C: Command, S: EventSourced>(outcome: Outcome<C>, events: &Events<S>, before: &S) -> Outcome<C> {
    if !(matches!(outcome, Outcome::Accepted(_)) && (S::MAY_MISFIT || events.misfit().is_some())) {
        return outcome;
    }
    let mut after = before.clone();
    let applied = events.iter().try_for_each(|event| event.apply_to(&mut after).map(|_| ()));
    applied.err().or(events.misfit()).map_or(outcome, |misfit| Outcome::Failed(misfit.to_string()))
}

/// As in an application, a deadline is stored with events.
fn kept<C: Command, S>(outcome: Outcome<C>, events: &Events<S>) -> Outcome<C> {
    match (&outcome, events.unkept_deadline()) {
        (Outcome::Accepted(_), Some(deadline)) => {
            Outcome::Failed(format!("the decision concerns the deadline `{deadline}`, and emits no event"))
        }
        _ => outcome,
    }
}

impl<S> Given<S> {
    /// The models that the handler of `command` asks for, and their boundaries.
    #[track_caller]
    fn models<C: HandledBy<T>, T>(&self, command: &C) -> (Resources, Criteria) {
        let (mut brought, mut boundaries) = (Resources::default(), Criteria::none());
        for model in models(&C::requirements()) {
            let boundary = model.boundary(&Command::tags(command));
            let seen = (1..).zip(&self.facts).filter(|(_, fact)| boundary.matches(&fact.name, &fact.tags));
            let seen: Vec<_> = seen.map(|(number, fact)| fact.recorded(number, self.now)).collect();
            if let Err(error) = model.fold(&seen, &mut brought) {
                panic!("a model cannot be built from the given events: {error}");
            }
            boundaries = boundaries.or_any(boundary);
        }
        (brought, boundaries)
    }
}

/// Applies events as they would be read from a store.
#[track_caller]
pub(super) fn fold<S: EventSourced>(mut state: S, facts: &[Fact], now: Timestamp) -> (S, Lifecycle) {
    let payloads = Payloads::json();
    let mut lifecycle = Lifecycle::Keep;
    for (number, fact) in (1..).zip(facts) {
        let event = fact.recorded(number, now);
        match state.evolve(Decode::of(&event, &payloads)) {
            Ok(after) => lifecycle = after,
            Err(error) => panic!("the event `{}` cannot be applied: {error}", fact.name),
        }
    }
    (state, lifecycle)
}

fn emitted<S>(events: &Events<S>) -> Vec<Fact> {
    let payloads = Payloads::json();
    let described = events.iter().map(|event| Fact {
        tags: event.tags(),
        name: event.name().into(),
        revision: event.revision(),
        origin: None,
        payload: event
            .encode(&payloads)
            .unwrap_or_else(|error| panic!("`{}` cannot be encoded: {error}", event.name())),
    });
    described.collect()
}
