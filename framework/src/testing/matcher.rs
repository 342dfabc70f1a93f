//! One message among others: told exactly, or by what is true of it.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::{Command, Event, Json};

use super::commands::CommandMatcher;
use super::diff;
use super::messages::{Comparison, Message, lines};

/// What one event is to be like: an event, or [`matching`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not tell an event",
    note = "expected an event, or `matching::<OrderPlaced>(|event| ..)`"
)]
pub trait EventMatcher {
    /// The stored name of the event.
    #[doc(hidden)]
    fn name(&self) -> &'static str;

    /// In what `payload` is not as it is to be; `None` when it is.
    #[doc(hidden)]
    fn misses(&self, payload: &Json, comparison: &Comparison) -> Option<Vec<String>>;
}

/// An event of the type `E` for which `holds` is true.
///
/// ```
/// # use annals::prelude::*;
/// # use annals::testing::given;
/// use annals::testing::matching;
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
/// given::<Lamp>(Switched { on: false })
///     .when(Switch { lamp: "hall".into() })
///     .then_event(matching::<Switched>(|event| event.on));
/// # }
/// ```
pub fn matching<E: Event>(holds: impl Fn(&E) -> bool) -> impl EventMatcher {
    Matching { holds, event: PhantomData }
}

struct Matching<E, F> {
    holds: F,
    event: PhantomData<fn(&E)>,
}

impl<E: Event, F: Fn(&E) -> bool> EventMatcher for Matching<E, F> {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn misses(&self, payload: &Json, _: &Comparison) -> Option<Vec<String>> {
        holds(payload, &self.holds)
    }
}

impl<E: Event> EventMatcher for E {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn misses(&self, payload: &Json, comparison: &Comparison) -> Option<Vec<String>> {
        equal(E::NAME, self, payload, comparison)
    }
}

/// In what `payload` is no message for which `holds` is true.
pub(super) fn holds<M: DeserializeOwned>(payload: &Json, holds: &impl Fn(&M) -> bool) -> Option<Vec<String>> {
    match serde_json::from_value::<M>(payload.clone()) {
        Ok(message) if holds(&message) => None,
        Ok(_) => Some(vec!["what was to match does not hold".to_owned()]),
        Err(error) => Some(vec![format!("it cannot be read: {error}")]),
    }
}

/// In what `payload` is not `wanted`.
///
/// # Panics
/// When `wanted` cannot be written.
#[track_caller]
pub(super) fn equal(
    name: &str,
    wanted: &impl Serialize,
    payload: &Json,
    comparison: &Comparison,
) -> Option<Vec<String>> {
    let wanted = serde_json::to_value(wanted).unwrap_or_else(|error| panic!("`{name}`: {error}"));
    let (wanted, found) = (comparison.cleared(wanted), comparison.cleared(payload.clone()));
    (wanted != found).then(|| diff::json(&wanted, &found))
}

/// # Panics
/// When none of `events` is as `matcher` says.
#[track_caller]
pub(super) fn assert_one(events: &[Message], matcher: &impl EventMatcher, comparison: &Comparison) {
    if let Some(told) = missed(events, matcher.name(), |payload| matcher.misses(payload, comparison)) {
        panic!("an event `{}` was expected\nemitted:\n{}\n{told}", matcher.name(), lines(events));
    }
}

/// # Panics
/// When none of `commands` is as `matcher` says.
#[track_caller]
pub(super) fn assert_sent(commands: &[Message], matcher: &impl CommandMatcher, comparison: &Comparison) {
    if let Some(told) = missed(commands, matcher.name(), |payload| matcher.misses(payload, comparison)) {
        panic!("a command `{}` was expected\nsent:\n{}\n{told}", matcher.name(), lines(commands));
    }
}

/// # Panics
/// When one of `commands` is a `C`.
#[track_caller]
pub(super) fn assert_none_sent<C: Command>(commands: &[Message]) {
    if commands.iter().any(|(name, _)| name == C::NAME) {
        panic!("no command `{}` was expected\nsent:\n{}", C::NAME, lines(commands));
    }
}

/// Why none of `messages` is the one called `name` that is wanted; `None` when one is.
fn missed(messages: &[Message], name: &str, misses: impl Fn(&Json) -> Option<Vec<String>>) -> Option<String> {
    let mut told = Vec::new();
    for (number, (_, payload)) in (1..).zip(messages).filter(|(_, (other, _))| other == name) {
        let misses = misses(payload)?;
        told.push(format!("{name} (number {number})"));
        told.extend(misses.into_iter().map(|line| format!("  {line}")));
    }
    if told.is_empty() {
        told.push(format!("{name} is missing"));
    }
    Some(diff::section(told, "  "))
}

/// # Panics
/// When one of `events` is an `E`.
#[track_caller]
pub(super) fn assert_none<E: Event>(events: &[Message]) {
    if events.iter().any(|(name, _)| name == E::NAME) {
        panic!("no event `{}` was expected\nemitted:\n{}", E::NAME, lines(events));
    }
}
