//! Given events, when an event, a rejection or time, then commands, deadlines, associations, an end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::handler::{Context, Resources};
use crate::message::{
    Command, CommandId, Decode, Json, Metadata, Payloads, RecordedEvent, SagaId, Timestamp, Upcasters,
};
use crate::saga::instance::{Happening, Instance, Runner};
use crate::saga::instances::{Arrival, Instances};
use crate::saga::{Handling, SagaHandlers};
use crate::store::{Association, Effect, EffectKind, Segment, Timer};

use super::TestClock;
use super::commands::{CommandMatcher, Commands};
use super::facts::{Fact, Facts, facts};
use super::matcher::{assert_none_sent, assert_sent};
use super::messages::{Comparison, Message, Words};

/// A saga type with its instances, as a test sees it.
///
/// ```
/// use std::time::Duration;
///
/// use annals::prelude::*;
/// use annals::testing::given_saga;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.on")] struct On { lamp: String }
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "lamp.off")] struct Off { #[target] lamp: String }
/// # #[derive(Saga, Serialize, Deserialize, Default, Clone)] #[saga(name = "saver")] struct Saver { lamp: String }
/// # #[saga_handlers] impl Saver {
/// #     #[start(by = lamp)] fn on(&mut self, event: &On, effects: &mut Effects) {
/// #         self.lamp = event.lamp.clone();
/// #         effects.deadline("long enough", Duration::from_secs(60));
/// #     }
/// #     #[deadline("long enough")] fn off(&mut self, effects: &mut Effects) {
/// #         effects.send(Off { lamp: self.lamp.clone() });
/// #         effects.end();
/// #     }
/// # }
/// # fn main() {
/// given_saga::<Saver>(On { lamp: "hall".into() })
///     .when_time_passes(Duration::from_secs(60))
///     .then_sends(Off { lamp: "hall".into() })
///     .then_ended();
/// # }
/// ```
pub struct GivenSaga<S> {
    pub(super) now: Timestamp,
    number: u64,
    pub(super) resources: Resources,
    pub(super) handling: Arc<Handling<S>>,
    pub(super) instances: Vec<Instance<S>>,
    pub(super) timers: Vec<Timer>,
    /// What the newest input made the saga send.
    pub(super) sent: Vec<Effect>,
    /// What was sent and not answered.
    pub(super) open: Vec<Effect>,
    /// Instances that have ended.
    ended: usize,
    /// The state of the newest of them.
    pub(super) last: Option<S>,
    pub(super) comparison: Comparison,
}

pub(super) const SENT: Words<'_> = Words { kind: "commands", done: "sent", note: None };

/// Begins a test: the saga has handled these events.
///
/// # Panics
/// When an event cannot be handled.
#[track_caller]
pub fn given_saga<S: SagaHandlers>(events: impl Facts) -> GivenSaga<S> {
    let now = crate::message::Clock::now(&TestClock::default());
    let mut saga = GivenSaga {
        now,
        number: 0,
        resources: Resources::default(),
        handling: Arc::new(Handling::new(&Upcasters::default())),
        instances: Vec::new(),
        timers: Vec::new(),
        sent: Vec::new(),
        open: Vec::new(),
        ended: 0,
        last: None,
        comparison: Comparison::default(),
    };
    for fact in facts(events) {
        saga.on_event(&fact);
    }
    saga
}

impl<S: SagaHandlers> GivenSaga<S> {
    /// A value that a handler asks for by its type.
    #[must_use]
    pub fn resource<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.resources.insert(value);
        self
    }

    /// These events happen.
    ///
    /// # Panics
    /// When one cannot be handled.
    #[must_use = "say what should come of it"]
    #[track_caller]
    pub fn when(mut self, events: impl Facts) -> Self {
        self.sent.clear();
        for fact in facts(events) {
            self.on_event(&fact);
        }
        self
    }

    /// A command that the saga has sent is rejected.
    ///
    /// # Panics
    /// When the saga cannot handle that.
    #[must_use = "say what should come of it"]
    #[track_caller]
    pub fn when_rejected<C: Command>(mut self, command: C, error: C::Error) -> Self {
        let payloads = Payloads::json();
        let error = payloads.encode(&error).unwrap_or_else(|error| panic!("the error cannot be encoded: {error}"));
        let effect = self.effect(&command);
        self.sent.clear();
        self.change(&effect, &Happening::Rejected(&effect, &error));
        self
    }

    /// A command that the saga has sent is accepted, with this reply.
    ///
    /// # Panics
    /// When the saga cannot handle that.
    #[must_use = "say what should come of it"]
    #[track_caller]
    pub fn when_replied<C: Command>(mut self, command: C, reply: C::Reply) -> Self {
        let reply = Payloads::json().encode(&reply);
        let reply = reply.unwrap_or_else(|error| panic!("the reply cannot be encoded: {error}"));
        let effect = self.effect(&command);
        self.sent.clear();
        self.change(&effect, &Happening::Accepted(&effect, &reply));
        self
    }

    /// A command of a declared step is accepted, without a reply that anybody reads.
    ///
    /// # Panics
    /// When the saga cannot handle that.
    #[must_use = "say what should come of it"]
    #[track_caller]
    pub fn when_accepted<C: Command>(mut self, command: C) -> Self {
        let effect = self.effect(&command);
        assert!(effect.step.is_some() || S::steps().is_none(), "no step has sent `{}`", C::NAME);
        self.sent.clear();
        if effect.step.is_some() {
            self.change(&effect, &Happening::Accepted(&effect, b"null"));
        }
        self
    }

    /// Time moves on; deadlines that pass are handled, each at its instant.
    ///
    /// # Panics
    /// When one cannot be handled.
    #[must_use = "say what should come of it"]
    #[track_caller]
    pub fn when_time_passes(mut self, duration: Duration) -> Self {
        self.sent.clear();
        let end = self.now.plus(duration);
        loop {
            self.timers.sort_by_key(|timer| timer.due);
            let Some(timer) = self.timers.first().filter(|timer| timer.due <= end).cloned() else { break };
            self.timers.remove(0);
            self.now = timer.due.max(self.now);
            let Some(index) = self.instances.iter().position(|instance| instance.id() == timer.saga_id) else {
                continue;
            };
            let mut instance = self.instances.remove(index);
            instance.fired(&timer.name);
            let metadata = instance.metadata();
            self.take(
                instance,
                &Happening::Deadline(&timer.name),
                &metadata,
                &format!("the deadline `{}`", timer.name),
            );
        }
        self.now = end;
        self
    }

    /// Does not compare this field of commands from here on: a name, or a path such as `lines.price`, which goes through
    /// lists.
    #[must_use]
    pub fn ignoring(mut self, path: &str) -> Self {
        self.comparison.ignore(path);
        self
    }

    /// The newest input made the saga send exactly these commands, in this order.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_sends(self, expected: impl Commands) -> Self {
        let mut wanted = Vec::new();
        expected.add_to(&mut wanted);
        self.comparison.in_order(&SENT, &wanted, &self.described());
        self
    }

    /// The newest input made the saga send exactly these commands, in any order.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_sends_in_any_order(self, expected: impl Commands) -> Self {
        let mut wanted = Vec::new();
        expected.add_to(&mut wanted);
        self.comparison.in_any_order(&SENT, &wanted, &self.described());
        self
    }

    /// The newest input made the saga send this command, maybe among others: a command, or [`sending`](super::sending).
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn then_sends_one(self, expected: impl CommandMatcher) -> Self {
        assert_sent(&self.described(), &expected, &self.comparison);
        self
    }

    /// The newest input made the saga send no command of the type `C`.
    ///
    /// # Panics
    /// When it sent one.
    #[track_caller]
    pub fn then_sends_no<C: Command>(self) -> Self {
        assert_none_sent::<C>(&self.described());
        self
    }

    /// The newest input made the saga send nothing.
    ///
    /// # Panics
    /// When it sent something.
    #[track_caller]
    pub fn then_sends_nothing(self) -> Self {
        self.then_sends(())
    }

    /// The deadline `name` waits, `after` from now.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn then_deadline(self, name: &str, after: Duration) -> Self {
        let due = self.now.plus(after);
        self.then_deadline_at(name, due)
    }

    /// The deadline `name` waits for this instant.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn then_deadline_at(self, name: &str, due: Timestamp) -> Self {
        assert_eq!(self.due(name), due, "the deadline `{name}` waits for another instant");
        self
    }

    /// The deadline `name` waits, and `holds` is true of how long that is from now.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use annals::prelude::*;
    /// # use annals::testing::given_saga;
    /// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.on")] struct On { lamp: String }
    /// # #[derive(Saga, Serialize, Deserialize, Default, Clone)] #[saga(name = "saver")] struct Saver {}
    /// # #[saga_handlers] impl Saver {
    /// #     #[start(by = lamp)] fn on(&mut self, _event: &On, effects: &mut Effects) {
    /// #         effects.deadline("long enough", Duration::from_secs(60));
    /// #     }
    /// #     #[deadline("long enough")] fn off(&mut self, effects: &mut Effects) { effects.end(); }
    /// # }
    /// # fn main() {
    /// given_saga::<Saver>(On { lamp: "hall".into() })
    ///     .then_deadline_matching("long enough", |after| after < Duration::from_secs(3_600));
    /// # }
    /// ```
    ///
    /// # Panics
    /// When it does not wait, or waits for another time.
    #[track_caller]
    pub fn then_deadline_matching(self, name: &str, holds: impl FnOnce(Duration) -> bool) -> Self {
        let after = self.due(name).since(self.now);
        assert!(
            holds(after),
            "the deadline `{name}` waits {after:?} from now, for which what was to match does not hold"
        );
        self
    }

    /// No deadline waits.
    ///
    /// # Panics
    /// When one does.
    #[track_caller]
    pub fn then_no_deadline(self) -> Self {
        assert!(self.timers.is_empty(), "deadlines wait: {:?}", self.timers);
        self
    }

    /// A running instance takes events by this association.
    ///
    /// # Panics
    /// When none does.
    #[track_caller]
    pub fn then_associated(self, key: &str, value: impl ToString) -> Self {
        let wanted = Association { key: key.to_owned(), value: value.to_string() };
        assert!(self.is_associated(&wanted), "no instance is associated with {}:{}", wanted.key, wanted.value);
        self
    }

    /// No running instance takes events by this association.
    ///
    /// # Panics
    /// When one does.
    #[track_caller]
    pub fn then_not_associated(self, key: &str, value: impl ToString) -> Self {
        let wanted = Association { key: key.to_owned(), value: value.to_string() };
        assert!(!self.is_associated(&wanted), "an instance is associated with {}:{}", wanted.key, wanted.value);
        self
    }

    /// Instances were begun, and all of them have ended.
    ///
    /// # Panics
    /// When one runs, or none was begun.
    #[track_caller]
    pub fn then_ended(self) -> Self {
        assert!(self.instances.is_empty(), "{} instances still run", self.instances.len());
        assert!(self.ended > 0, "no instance was begun");
        self
    }

    /// So many instances run.
    ///
    /// # Panics
    /// When it is another number.
    #[track_caller]
    pub fn then_running(self, count: usize) -> Self {
        assert_eq!(self.instances.len(), count, "another number of instances runs");
        self
    }

    /// The instant of the deadline `name`.
    #[track_caller]
    fn due(&self, name: &str) -> Timestamp {
        match self.timers.iter().find(|timer| timer.name == name) {
            Some(timer) => timer.due,
            None => panic!("no deadline `{name}` waits, only {:?}", self.timers),
        }
    }

    /// The commands that the newest input made the saga send.
    fn described(&self) -> Vec<Message> {
        self.sent.iter().map(described).collect()
    }

    fn is_associated(&self, association: &Association) -> bool {
        self.instances.iter().any(|instance| instance.associations().contains(association))
    }

    #[track_caller]
    fn on_event(&mut self, fact: &Fact) {
        self.number += 1;
        let event: RecordedEvent = fact.recorded(self.number, self.now);
        let payloads = Payloads::json();
        let routed = S::route(Decode::of(&event, &payloads), event.recorded.metadata());
        let input = routed.unwrap_or_else(|error| panic!("the event `{}` cannot be handled: {error}", fact.name));
        let Some(input) = input else { return };
        let (resources, handling) = (self.resources.clone(), Arc::clone(&self.handling));
        let context = Context::new(self.now, event.recorded.metadata(), &resources).with_recorded(&event.recorded);
        let arrival = Arrival { context: &context, recorded: &event.recorded, segment: Segment::WHOLE, again: false };
        let mut instances = Instances::default();
        std::mem::take(&mut self.instances).into_iter().for_each(|instance| instances.add(instance));
        instances.deliver(&input, 0, &arrival, Runner { handling: &*handling, payloads: &payloads, tenant: "" });
        for instance in instances.into_all() {
            if let Some(error) = &instance.row().attention {
                panic!("the event `{}` cannot be handled: {error}", fact.name);
            }
            self.keep(instance);
        }
    }

    /// An instance is begun with this state.
    #[track_caller]
    pub(super) fn begin(&mut self, state: S) {
        let id = SagaId::derived(uuid::Uuid::nil(), "test");
        let instance = Instance::begin_with(id, state, None, self.now, &Metadata::new());
        self.take(instance, &Happening::Begun, &Metadata::new(), "its beginning");
    }

    /// Changes the instance that an effect belongs to.
    #[track_caller]
    pub(super) fn change(&mut self, effect: &Effect, happening: &Happening<'_, S>) {
        self.open.retain(|open| open.command != effect.command);
        let index = self.instances.iter().position(|instance| instance.id() == effect.saga_id);
        let Some(index) = index else { panic!("no instance runs that could have sent `{}`", effect.name) };
        let instance = self.instances.remove(index);
        self.take(instance, happening, &effect.metadata, &format!("the answer to `{}`", effect.name));
    }

    #[track_caller]
    pub(super) fn take(
        &mut self,
        mut instance: Instance<S>,
        happening: &Happening<'_, S>,
        metadata: &Metadata,
        what: &str,
    ) {
        let (resources, handling) = (self.resources.clone(), Arc::clone(&self.handling));
        let context = Context::new(self.now, metadata, &resources);
        let payloads = Payloads::json();
        let runner = Runner { handling: &*handling, payloads: &payloads, tenant: "" };
        let taken = instance.take(happening, &context, runner, metadata);
        taken.unwrap_or_else(|error| panic!("{what} cannot be handled: {error}"));
        self.keep(instance);
    }

    /// Writes an instance as a store would, and reads it again.
    #[track_caller]
    fn keep(&mut self, instance: Instance<S>) {
        if !instance.has_changed() {
            return self.instances.push(instance);
        }
        let payloads = Payloads::json();
        let written = instance.into_write("", self.now, &payloads).unwrap_or_else(|error| panic!("{error}"));
        let (write, withdrawn) = written;
        for effects in [&mut self.sent, &mut self.open] {
            effects.retain(|effect| !withdrawn.contains(&effect.command));
            effects.extend(write.effects.iter().cloned());
        }
        self.timers.retain(|timer| {
            timer.saga_id != write.row.id
                || !(write.row.status.is_ended()
                    || write.cancelled.contains(&timer.name)
                    || write.timers.iter().any(|new| new.name == timer.name))
        });
        self.timers.extend(write.timers);
        let mut row = write.row;
        row.revision += 1;
        let ended = row.status.is_ended();
        let loaded: Instance<S> = Instance::load(row, &payloads).unwrap_or_else(|error| panic!("{error}"));
        if ended {
            self.ended += 1;
            self.last = Some(loaded.state().clone());
        } else {
            self.instances.push(loaded);
        }
    }

    /// The effect by which `command` was sent; one for the only instance, if the newest input did not send it.
    #[track_caller]
    fn effect<C: Command>(&self, command: &C) -> Effect {
        let payload = Payloads::json().encode(command).unwrap_or_else(|error| panic!("{error}"));
        let sent =
            self.sent.iter().chain(&self.open).find(|effect| effect.name == C::NAME && effect.payload == payload);
        if let Some(effect) = sent {
            return effect.clone();
        }
        let [instance] = self.instances.as_slice() else {
            panic!("`{}` was not sent by the newest input, and there is not exactly one instance", C::NAME)
        };
        Effect {
            command: CommandId::derived(instance.id().uuid(), "test"),
            tenant: String::new(),
            saga: S::NAME.to_owned(),
            saga_id: instance.id(),
            slice: 0,
            number: 0,
            group: 0,
            kind: EffectKind::Command,
            scope: None,
            label: None,
            name: C::NAME.to_owned(),
            payload,
            metadata: Metadata::new(),
            step: None,
            attempts: 0,
            not_before: self.now,
            parked: None,
        }
    }
}

impl<S> fmt::Debug for GivenSaga<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenSaga")
            .field("running", &self.instances.len())
            .field("timers", &self.timers)
            .finish_non_exhaustive()
    }
}

pub(super) fn described(effect: &Effect) -> Message {
    (effect.name.clone(), serde_json::from_slice(&effect.payload).unwrap_or(Json::Null))
}
