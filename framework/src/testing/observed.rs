//! What came of something in an application under test.

use std::fmt::Debug;

use crate::command::{CommandMessage, SendError};
use crate::message::{Command, Event};

use super::commands::{CommandMatcher, Commands};
use super::diff::assert_same;
use super::facts::{Facts, described, facts};
use super::matcher::{EventMatcher, assert_none, assert_one, assert_sent};
use super::messages::{Comparison, Message, Words, lines};

/// What came of a step of a test: events that were stored, commands that were sent, and `R`, the answer to a command or
/// nothing. What an attempt that was rolled back would have stored is not among the events.
#[derive(Debug)]
pub struct Observed<R = ()> {
    pub(super) answer: R,
    /// What explains that events are missing.
    pub(super) note: Option<String>,
    pub(super) events: Vec<Message>,
    pub(super) commands: Vec<CommandMessage>,
    pub(super) comparison: Comparison,
}

impl<R> Observed<R> {
    /// Does not compare this field of events and commands from here on: a name, or a path such as `lines.price`, which
    /// goes through lists.
    #[must_use]
    pub fn ignoring(mut self, path: &str) -> Self {
        self.comparison.ignore(path);
        self
    }

    /// Exactly these events were stored, in this order, by the step and by all that it set going.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_events(self, expected: impl Facts) -> Self {
        self.comparison.in_order(&self.words("events", "stored"), &described(&facts(expected)), &self.events);
        self
    }

    /// Exactly these events were stored, in any order.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_events_in_any_order(self, expected: impl Facts) -> Self {
        self.comparison.in_any_order(&self.words("events", "stored"), &described(&facts(expected)), &self.events);
        self
    }

    /// This event was stored, maybe among others: an event, or [`matching`](super::matching).
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn then_event(self, expected: impl EventMatcher) -> Self {
        assert_one(&self.events, &expected, &self.comparison);
        self
    }

    /// No event of the type `E` was stored.
    ///
    /// # Panics
    /// When one was.
    #[track_caller]
    pub fn then_no_event<E: Event>(self) -> Self {
        assert_none::<E>(&self.events);
        self
    }

    /// Sagas and handlers sent exactly these commands, in this order. One that was tried again counts once.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_commands<T: Commands>(self, expected: T) -> Self {
        let (wanted, sent) = self.wanted_and_sent(expected);
        self.comparison.in_order(&self.words("commands", "sent"), &wanted, &sent);
        self
    }

    /// Sagas and handlers sent exactly these commands, in any order.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_commands_in_any_order<T: Commands>(self, expected: T) -> Self {
        let (wanted, sent) = self.wanted_and_sent(expected);
        self.comparison.in_any_order(&self.words("commands", "sent"), &wanted, &sent);
        self
    }

    /// Sagas and handlers sent this command, maybe among others: a command, or [`sending`](super::sending).
    ///
    /// # Panics
    /// When they did not.
    #[track_caller]
    pub fn then_command(self, expected: impl CommandMatcher) -> Self {
        let sent = self.commands.iter().map(|message| {
            let payload = expected.read(message).unwrap_or_default();
            (message.name.to_owned(), payload)
        });
        assert_sent(&sent.collect::<Vec<_>>(), &expected, &self.comparison);
        self
    }

    /// No event was stored, and no command sent.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_nothing(self) -> Self {
        self.then_events(()).then_commands(())
    }

    fn words<'a>(&'a self, kind: &'a str, done: &'a str) -> Words<'a> {
        Words { kind, done, note: self.note.as_deref() }
    }

    /// The payload of a command of another type than those expected is not shown.
    fn wanted_and_sent<T: Commands>(&self, expected: T) -> (Vec<Message>, Vec<Message>) {
        let (mut wanted, mut readers) = (Vec::new(), Vec::new());
        expected.add_to(&mut wanted);
        T::readers(&mut readers);
        let sent = self.commands.iter().map(|message| {
            let payload = readers.iter().find_map(|reader| reader(message)).unwrap_or_default();
            (message.name.to_owned(), payload)
        });
        (wanted, sent.collect())
    }
}

/// The answer to a command.
#[derive(Debug)]
pub struct Answer<C: Command>(pub(super) Result<C::Reply, SendError<C::Error>>);

impl<C: Command> Observed<Answer<C>> {
    /// The command was accepted with this reply.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_reply(self, expected: C::Reply) -> Self
    where
        C::Reply: PartialEq + Debug,
    {
        match &self.answer.0 {
            Ok(reply) => assert_same(&expected, reply, "another reply was expected"),
            Err(error) => panic!("the command was not accepted: {}", crate::handler::error::chain(error)),
        }
        self
    }

    /// The domain refused with this error.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_error(self, expected: C::Error) -> Self
    where
        C::Error: PartialEq + Debug,
    {
        match &self.answer.0 {
            Err(SendError::Rejected(error)) => assert_same(&expected, error, "another error was expected"),
            Err(SendError::Failed(failure)) => {
                let reason = crate::handler::error::chain(failure);
                panic!("the error `{expected}` was expected, the command failed: {reason}")
            }
            Ok(_) => {
                panic!("the error `{expected}` was expected, the command was accepted with\n{}", lines(&self.events))
            }
        }
        self
    }

    /// The machinery refused, in words that hold `part`, such as `does not exist`.
    ///
    /// # Panics
    /// When it was otherwise.
    #[track_caller]
    pub fn then_fails(self, part: &str) -> Self {
        match &self.answer.0 {
            Err(SendError::Failed(failure)) => {
                let reason = crate::handler::error::chain(failure);
                assert!(reason.contains(part), "the command failed for another reason than `{part}`: {reason}");
            }
            Err(SendError::Rejected(error)) => panic!("a failure was expected, the command was rejected: {error}"),
            Ok(_) => panic!("a failure was expected, the command was accepted with\n{}", lines(&self.events)),
        }
        self
    }
}
