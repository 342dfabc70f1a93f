//! What came of a command in a test.

use std::fmt::Debug;

use crate::aggregate::{Due, Refusal};
use crate::message::{Command, Event};

use super::deadlines::SeenDeadlines;
use super::diff::assert_same;
use super::facts::{Facts, described, facts};
use super::matcher::{EventMatcher, assert_none, assert_one};
use super::messages::{Comparison, Message, Words, lines};

/// Why a command for a target that has ended is refused.
pub(super) const ENDED: &str = "the target has ended";

const EMITTED: Words<'_> = Words { kind: "events", done: "emitted", note: None };

/// What came of a command.
#[derive(Debug)]
pub struct Decided<C: Command, S> {
    pub(super) outcome: Outcome<C>,
    pub(super) events: Vec<Message>,
    /// The state that the events lead to.
    pub(super) state: S,
    pub(super) comparison: Comparison,
    pub(super) deadlines: SeenDeadlines,
}

pub(super) enum Outcome<C: Command> {
    Accepted(C::Reply),
    Rejected(C::Error),
    Failed(String),
}

impl<C: Command, S> Decided<C, S> {
    /// Does not compare this field of events from here on: a name, or a path such as `lines.price`, which goes through
    /// lists.
    #[must_use]
    pub fn ignoring(mut self, path: &str) -> Self {
        self.comparison.ignore(path);
        self
    }

    /// Exactly these events were emitted, in this order.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_events(self, expected: impl Facts) -> Self {
        self.accepted();
        self.comparison.in_order(&EMITTED, &described(&facts(expected)), &self.events);
        self
    }

    /// Exactly these events were emitted, in any order.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_events_in_any_order(self, expected: impl Facts) -> Self {
        self.accepted();
        self.comparison.in_any_order(&EMITTED, &described(&facts(expected)), &self.events);
        self
    }

    /// This event was emitted, maybe among others: an event, or [`matching`](super::matching).
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn then_event(self, expected: impl EventMatcher) -> Self {
        self.accepted();
        assert_one(&self.events, &expected, &self.comparison);
        self
    }

    /// The command was accepted and no event of the type `E` emitted.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_no_event<E: Event>(self) -> Self {
        self.accepted();
        assert_none::<E>(&self.events);
        self
    }

    /// The command was accepted; `look` checks the state that it leads to.
    ///
    /// # Panics
    /// When the command was not accepted, or `look` panics.
    #[track_caller]
    pub fn then_state(self, look: impl FnOnce(&S)) -> Self {
        self.accepted();
        look(&self.state);
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
            assert_same(&expected, reply, "another reply was expected");
        }
        self
    }

    /// The command was accepted, and the deadline `name` was set: `due` is a duration from the decision or an instant, and
    /// `command` is what is sent then.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_deadline<D: Command>(self, name: &str, due: impl Into<Due>, command: D) -> Self {
        self.accepted();
        self.deadlines.assert_set(name, due.into(), &command);
        self
    }

    /// The command was accepted, and the deadline `name` taken back.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_deadline_cancelled(self, name: &str) -> Self {
        self.accepted();
        self.deadlines.assert_cancelled(name);
        self
    }

    /// The command was accepted, and no deadline set. One may have been taken back.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_no_deadline(self) -> Self {
        self.accepted();
        self.deadlines.assert_none_set();
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
            Outcome::Rejected(error) => assert_same(&expected, &error, "another error was expected"),
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

    /// The command was refused because its target has ended.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_ended(self) {
        self.failed(ENDED);
    }

    /// The command was refused because there is no such child entity: `entities` is the field where it would be, such as
    /// `copies`.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_entity_not_found(self, entities: &str, id: impl std::fmt::Display) {
        self.failed(&no_entity(entities, &id.to_string()));
    }

    /// The command was refused because the target is in another variant: `expected` are those that take it, as they
    /// stand in the attributes, such as `Open(open)`.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_wrong_variant(self, expected: &str) {
        self.failed(&wrong_variant(expected));
    }

    #[track_caller]
    fn failed(self, expected: &str) {
        match self.outcome {
            Outcome::Failed(reason) => assert_eq!(reason, expected, "the command failed for another reason"),
            Outcome::Accepted(_) => panic!("`{expected}` was expected, the command was accepted"),
            Outcome::Rejected(error) => panic!("`{expected}` was expected, the command was rejected: {error}"),
        }
    }

    /// # Panics
    /// When the command was not accepted.
    #[track_caller]
    pub(super) fn accepted(&self) {
        match &self.outcome {
            Outcome::Accepted(_) => {}
            Outcome::Rejected(error) => panic!("the command was rejected: {error}"),
            Outcome::Failed(reason) => panic!("the command failed: {reason}"),
        }
    }
}

impl<C: Command> From<Refusal<C::Error>> for Outcome<C> {
    fn from(refusal: Refusal<C::Error>) -> Self {
        match refusal {
            Refusal::Rejected(error) => Self::Rejected(error),
            Refusal::Context(error) => Self::Failed(error.to_string()),
            Refusal::Failed(error) => Self::Failed(error.to_string()),
            Refusal::NoEntity { entities, id } => Self::Failed(no_entity(entities, &id)),
            Refusal::WrongVariant { expected } => Self::Failed(wrong_variant(expected)),
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

fn no_entity(entities: &str, id: &str) -> String {
    format!("the target has no entity `{id}` among its `{entities}`")
}

fn wrong_variant(expected: &str) -> String {
    format!("the target is in a variant that does not take the command; expected `{expected}`")
}
