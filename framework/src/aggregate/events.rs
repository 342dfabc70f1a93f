//! The events that a decision records.

use std::fmt;

use crate::message::{CodecError, Payloads, Tag};

use super::deadlines::Deadlines;
use super::evolve::AppliedTo;
use super::lifecycle::{Applied, Lifecycle, Misfit};

/// Events that a handler has decided on, in order.
pub struct Events<S> {
    emitted: Vec<Box<dyn Emitted<S>>>,
    left: Option<S>,
    misfit: Option<Misfit>,
    lifecycle: Lifecycle,
    deadlines: Deadlines,
}

/// One decided event, ready to be stored and applied.
pub trait Emitted<S>: Send + Sync {
    /// The stored name.
    fn name(&self) -> &'static str;
    /// The revision of the payload.
    fn revision(&self) -> u32;
    /// The tags under which it is found.
    fn tags(&self) -> Vec<Tag>;
    /// The payload.
    ///
    /// # Errors
    /// When the codec cannot express it.
    fn encode(&self, payloads: &Payloads) -> Result<Vec<u8>, CodecError>;
    /// Changes the state.
    ///
    /// # Errors
    /// When it does not fit.
    fn apply_to(&self, state: &mut S) -> Applied;
}

impl<S, E: AppliedTo<S>> Emitted<S> for E {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn revision(&self) -> u32 {
        E::REVISION
    }

    fn tags(&self) -> Vec<Tag> {
        crate::message::Event::tags(self)
    }

    fn encode(&self, payloads: &Payloads) -> Result<Vec<u8>, CodecError> {
        payloads.encode(self)
    }

    fn apply_to(&self, state: &mut S) -> Applied {
        AppliedTo::apply_to(self, state)
    }
}

impl<S: 'static> Events<S> {
    /// Records `event` and applies it to `state`, so that the next step of the handler sees what it left.
    pub fn apply<E: AppliedTo<S>>(&mut self, state: &mut S, event: E) {
        if let Err(misfit) = AppliedTo::apply_to(&event, state) {
            self.misfit.get_or_insert(misfit);
        }
        self.emitted.push(Box::new(event));
    }

    /// Records events without applying them.
    pub fn record(&mut self, events: impl IntoEvents<S>) {
        events.into_events(self);
    }

    /// Keeps the state that a handler with `&mut self` left behind, so that the test kit can check that it changed
    /// through events alone.
    #[doc(hidden)]
    pub fn leave(&mut self, state: S) {
        self.left = Some(state);
    }
}

impl<S> Events<S> {
    /// How many events were recorded.
    #[must_use]
    pub fn len(&self) -> usize {
        self.emitted.len()
    }

    /// Whether none was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.emitted.is_empty()
    }

    /// The events in order.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Emitted<S>> {
        self.emitted.iter().map(|event| &**event)
    }

    /// Sets deadlines and takes them back, to be stored with the events.
    pub fn deadlines(&mut self) -> &mut Deadlines {
        &mut self.deadlines
    }

    /// Takes in what a handler has said that takes `&mut Deadlines`.
    #[doc(hidden)]
    pub fn wait_for(&mut self, deadlines: Deadlines) {
        self.deadlines.extend(deadlines);
    }

    /// What was set and taken back.
    pub(crate) fn awaited(&self) -> &Deadlines {
        &self.deadlines
    }

    /// The name of a deadline that cannot be stored, since there is no event.
    pub(crate) fn unkept_deadline(&self) -> Option<&str> {
        let first = self.deadlines.iter().next().filter(|_| self.is_empty())?;
        Some(&first.name)
    }

    /// The first event that did not fit the state to which the handler applied it.
    pub(crate) fn misfit(&self) -> Option<Misfit> {
        self.misfit
    }

    pub(super) fn ends(&mut self) {
        self.lifecycle = Lifecycle::End;
    }

    /// Whether an aggregate whose state is stored goes on.
    pub(crate) fn lifecycle(&self) -> Lifecycle {
        self.lifecycle
    }

    pub(crate) fn take_left(&mut self) -> Option<S> {
        self.left.take()
    }
}

impl<S> Default for Events<S> {
    fn default() -> Self {
        let deadlines = Deadlines::default();
        Self { emitted: Vec::new(), left: None, misfit: None, lifecycle: Lifecycle::Keep, deadlines }
    }
}

impl<S> fmt::Debug for Events<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.emitted.iter().map(|event| event.name())).finish()
    }
}

/// What a handler may return: one event, `Option`, `Vec`, an array, a tuple of events, or `()`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no event of `{S}`",
    note = "a handler returns one event, `Option`, `Vec`, an array or a tuple of events, `()`, or a `Result` of these",
    note = "each event needs `#[derive(Event)]` and an `#[apply]` method in the `#[event_sourcing]` block of `{S}`"
)]
pub trait IntoEvents<S> {
    /// Adds the events to `events`, in order.
    fn into_events(self, events: &mut Events<S>);
}

impl<S: 'static, E: AppliedTo<S>> IntoEvents<S> for E {
    fn into_events(self, events: &mut Events<S>) {
        events.emitted.push(Box::new(self));
    }
}

impl<S, T: IntoEvents<S>> IntoEvents<S> for Option<T> {
    fn into_events(self, events: &mut Events<S>) {
        if let Some(inner) = self {
            inner.into_events(events);
        }
    }
}

impl<S, T: IntoEvents<S>> IntoEvents<S> for Vec<T> {
    fn into_events(self, events: &mut Events<S>) {
        for inner in self {
            inner.into_events(events);
        }
    }
}

impl<S, T: IntoEvents<S>, const N: usize> IntoEvents<S> for [T; N] {
    fn into_events(self, events: &mut Events<S>) {
        for inner in self {
            inner.into_events(events);
        }
    }
}

macro_rules! tuples {
    ($(($($part:ident)*))*) => {$(
        impl<S, $($part: IntoEvents<S>),*> IntoEvents<S> for ($($part,)*) {
            #[allow(non_snake_case, unused_variables, reason = "the empty tuple uses nothing")]
            fn into_events(self, events: &mut Events<S>) {
                let ($($part,)*) = self;
                $($part.into_events(events);)*
            }
        }
    )*};
}
tuples! { () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }
