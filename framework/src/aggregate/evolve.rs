//! Evolving: events change the state, and nothing else does.

use crate::message::{Decode, Event, UpcastError};

/// A state that is built from events. `#[event_sourcing]` implements it.
///
/// The state before the first event is its [`Default`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be built from events",
    note = "add an `impl {Self}` block with `#[event_sourcing]` and a method with `#[apply]` for each event"
)]
pub trait EventSourced: Default + Clone + Send + Sync + 'static {
    /// Names of the events that change the state.
    const EVENTS: &'static [&'static str];

    /// Applies a stored event: matches its name and decodes it straight into what the `#[apply]` method takes.
    ///
    /// # Errors
    /// When the event is unknown to this state, or cannot be decoded.
    fn evolve(&mut self, event: Decode<'_>) -> Result<(), EvolveError>;
}

/// The event `Self` changes the state `S`. `#[event_sourcing]` implements it for each `#[apply]`.
#[diagnostic::on_unimplemented(
    message = "`{S}` emits the event `{Self}` but does not apply it",
    note = "add a method with `#[apply]` that takes `&{Self}` to the `#[event_sourcing]` block of `{S}`"
)]
pub trait AppliedTo<S>: Event {
    /// Changes `state`. A fact already happened: nothing to check, nothing can fail.
    fn apply_to(&self, state: &mut S);
}

/// Why a stored event could not be applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvolveError {
    /// The stream has an event that the state does not know.
    #[error(
        "`{state}` has no `#[apply]` for the stored event `{event}`; if it means nothing to it, write \
         `#[event_sourcing(ignore(\"{event}\"))]`"
    )]
    Unknown {
        /// The Rust type of the state.
        state: &'static str,
        /// Stored name of the event.
        event: String,
    },
    /// The event could not be decoded.
    #[error(transparent)]
    Decode(#[from] UpcastError),
}

impl EvolveError {
    /// `S` does not know `event`.
    #[must_use]
    pub fn unknown<S>(event: &Decode<'_>) -> Self {
        Self::Unknown { state: std::any::type_name::<S>(), event: event.name().to_owned() }
    }
}
