//! One event among others: told exactly, or by what is true of it.

use std::marker::PhantomData;

use crate::message::{Event, Json};

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
        match serde_json::from_value::<E>(payload.clone()) {
            Ok(event) if (self.holds)(&event) => None,
            Ok(_) => Some(vec!["what was to match does not hold".to_owned()]),
            Err(error) => Some(vec![format!("it cannot be read: {error}")]),
        }
    }
}

impl<E: Event> EventMatcher for E {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn misses(&self, payload: &Json, comparison: &Comparison) -> Option<Vec<String>> {
        let wanted = serde_json::to_value(self).unwrap_or_else(|error| panic!("`{}`: {error}", E::NAME));
        let (wanted, found) = (comparison.cleared(wanted), comparison.cleared(payload.clone()));
        (wanted != found).then(|| diff::json(&wanted, &found))
    }
}

/// # Panics
/// When none of `events` is as `matcher` says.
#[track_caller]
pub(super) fn assert_one(events: &[Message], matcher: &impl EventMatcher, comparison: &Comparison) {
    let mut told = Vec::new();
    for (number, (_, payload)) in (1..).zip(events).filter(|(_, (name, _))| name == matcher.name()) {
        let Some(misses) = matcher.misses(payload, comparison) else { return };
        told.push(format!("{} (number {number})", matcher.name()));
        told.extend(misses.into_iter().map(|line| format!("  {line}")));
    }
    if told.is_empty() {
        told.push(format!("{} is missing", matcher.name()));
    }
    let (name, events, told) = (matcher.name(), lines(events), diff::section(told, "  "));
    panic!("an event `{name}` was expected\nemitted:\n{events}\n{told}");
}

/// # Panics
/// When one of `events` is an `E`.
#[track_caller]
pub(super) fn assert_none<E: Event>(events: &[Message]) {
    if events.iter().any(|(name, _)| name == E::NAME) {
        panic!("no event `{}` was expected\nemitted:\n{}", E::NAME, lines(events));
    }
}
