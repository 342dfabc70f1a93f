//! Given events, when a command, then events, an error, nothing, or a reply.

use std::fmt::Debug;

use crate::aggregate::{Creation, Events, HandledBy, Refusal};
use crate::command::{CommandTarget, Consistency};
use crate::handler::{Context, Resources};
use crate::message::{Command, CommandId, Decode, Json, Metadata, Payloads, Timestamp, Upcasters, Version};

use super::TestClock;
use super::facts::{Fact, Facts, facts, lines};

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
    facts: Vec<Fact>,
    now: Timestamp,
    metadata: Metadata,
    resources: Resources,
    state: std::marker::PhantomData<fn() -> S>,
}

/// Begins a test: these events have happened.
pub fn given<S: CommandTarget + Debug>(events: impl Facts) -> Given<S> {
    Given {
        facts: facts(events),
        now: crate::message::Clock::now(&TestClock::default()),
        metadata: Metadata::new(),
        resources: Resources::default(),
        state: std::marker::PhantomData,
    }
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

    /// A value that the handler asks for by its type.
    pub fn resource<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.resources.insert(value);
        self
    }

    /// Handles `command`. A decision sees the given events inside its boundary, as in an application.
    ///
    /// # Panics
    /// When a given event cannot be applied, or the handler changed the state other than through events.
    #[must_use = "say what should have come of it"]
    #[track_caller]
    pub fn when<C: HandledBy<S>>(self, command: C) -> Decided<C> {
        let tags = <C as Command>::tags(&command);
        let sees = |fact: &&Fact| <S::Consistency as Consistency<S>>::sees(&tags, &fact.tags);
        let facts: Vec<Fact> = self.facts.iter().filter(sees).cloned().collect();
        let before = fold(command.initial(), &facts, self.now);
        let count = facts.len() as u64;
        if <S::Consistency as Consistency<S>>::CHECKS_CREATION {
            match (C::CREATION, count) {
                (Creation::MustNotExist, 1..) => return Decided::refused("the target exists already"),
                (Creation::MustExist, 0) => return Decided::refused("the target does not exist"),
                _ => {}
            }
        }
        let context =
            Context::new(self.now, &self.metadata, &self.resources).with_command(CommandId::new(), Version::new(count));
        let mut events = Events::default();
        let decided = command.decide(&before, &context, &mut events);
        let emitted = emitted(&events);
        if let Some(left) = events.take_left() {
            let folded = fold(before.clone(), &emitted, self.now);
            let (left, folded) = (format!("{left:#?}"), format!("{folded:#?}"));
            assert!(
                left == folded,
                "the handler of `{}` changed the state other than through events\nleft by the handler: {left}\nfrom \
                 its events: {folded}",
                <C as Command>::NAME
            );
        }
        let outcome = match decided {
            Ok(reply) => Outcome::Accepted(reply),
            Err(Refusal::Rejected(error)) => Outcome::Rejected(error),
            Err(Refusal::Context(error)) => Outcome::Failed(error.to_string()),
            Err(Refusal::Failed(error)) => Outcome::Failed(error.to_string()),
        };
        Decided { outcome, events: emitted.iter().map(Fact::described).collect() }
    }
}

/// What came of a command.
#[derive(Debug)]
pub struct Decided<C: Command> {
    outcome: Outcome<C>,
    events: Vec<(String, Json)>,
}

enum Outcome<C: Command> {
    Accepted(C::Reply),
    Rejected(C::Error),
    Failed(String),
}

impl<C: Command> Decided<C> {
    fn refused(reason: &str) -> Self {
        Self { outcome: Outcome::Failed(reason.to_owned()), events: Vec::new() }
    }

    /// Exactly these events were emitted, in this order.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_events(self, expected: impl Facts) -> Self {
        let expected: Vec<_> = facts(expected).iter().map(Fact::described).collect();
        self.accepted();
        assert!(
            self.events == expected,
            "other events were expected\nexpected:\n{}\nemitted:\n{}",
            lines(&expected),
            lines(&self.events)
        );
        self
    }

    /// The command was accepted and no event emitted.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_nothing(self) -> Self {
        self.then_events(())
    }

    /// The command was accepted with this reply.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_reply(self, expected: C::Reply) -> Self
    where
        C::Reply: PartialEq + Debug,
    {
        self.accepted();
        if let Outcome::Accepted(reply) = &self.outcome {
            assert_eq!(*reply, expected, "another reply was expected");
        }
        self
    }

    /// The domain refused with this error.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_error(self, expected: C::Error)
    where
        C::Error: PartialEq + Debug,
    {
        match self.outcome {
            Outcome::Rejected(error) => assert_eq!(error, expected, "another error was expected"),
            Outcome::Accepted(_) => {
                panic!("the error `{expected}` was expected, the command was accepted with\n{}", lines(&self.events))
            }
            Outcome::Failed(reason) => panic!("the error `{expected}` was expected, the command failed: {reason}"),
        }
    }

    /// The command was refused because its target exists already.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_exists_already(self) {
        self.failed("the target exists already");
    }

    /// The command was refused because its target does not exist.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_not_found(self) {
        self.failed("the target does not exist");
    }

    #[track_caller]
    fn failed(self, expected: &str) {
        match self.outcome {
            Outcome::Failed(reason) => assert_eq!(reason, expected, "the command failed for another reason"),
            Outcome::Accepted(_) => panic!("`{expected}` was expected, the command was accepted"),
            Outcome::Rejected(error) => panic!("`{expected}` was expected, the command was rejected: {error}"),
        }
    }

    #[track_caller]
    fn accepted(&self) {
        match &self.outcome {
            Outcome::Accepted(_) => {}
            Outcome::Rejected(error) => panic!("the command was rejected: {error}"),
            Outcome::Failed(reason) => panic!("the command failed: {reason}"),
        }
    }
}

impl<C: Command> Debug for Outcome<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Accepted(_) => "Accepted",
            Self::Rejected(_) => "Rejected",
            Self::Failed(_) => "Failed",
        })
    }
}

/// Applies events as they would be read from a store.
#[track_caller]
fn fold<S: crate::aggregate::EventSourced>(mut state: S, facts: &[Fact], now: Timestamp) -> S {
    let (upcasters, payloads) = (Upcasters::default(), Payloads::json());
    for (number, fact) in (1..).zip(facts) {
        let event = fact.recorded(number, now);
        let evolved =
            Decode::new(&event, &upcasters, &payloads).map_err(Into::into).and_then(|event| state.evolve(event));
        if let Err(error) = evolved {
            panic!("the event `{}` cannot be applied: {error}", fact.name);
        }
    }
    state
}

fn emitted<S>(events: &Events<S>) -> Vec<Fact> {
    let payloads = Payloads::json();
    let described = events.iter().map(|event| Fact {
        tags: event.tags(),
        name: event.name(),
        revision: event.revision(),
        payload: event
            .encode(&payloads)
            .unwrap_or_else(|error| panic!("`{}` cannot be encoded: {error}", event.name())),
    });
    described.collect()
}
