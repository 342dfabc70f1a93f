//! Evolving: events change the state, and nothing else does.

use crate::message::{Decode, Event, UpcastError};

use super::lifecycle::{Applied, Lifecycle, Misfit};

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
    /// Whether events may be emitted that do not fit the state, so that each is applied before it is stored. True where
    /// events are applied to child entities or to variants.
    const MAY_MISFIT: bool = false;

    /// Applies a stored event: matches its name and decodes it straight into what the `#[apply]` method takes.
    ///
    /// # Errors
    /// When the event is unknown to this state, does not fit it, or cannot be decoded.
    fn evolve(&mut self, event: Decode<'_>) -> Result<Lifecycle, EvolveError>;
}

/// The event `Self` changes the state `S`. `#[event_sourcing]` implements it for each `#[apply]`.
#[diagnostic::on_unimplemented(
    message = "`{S}` emits the event `{Self}` but does not apply it",
    note = "add a method with `#[apply]` that takes `&{Self}` to the `#[event_sourcing]` block of `{S}`"
)]
pub trait AppliedTo<S>: Event {
    /// Changes `state`, and says whether it goes on. A fact already happened: there is nothing to check.
    ///
    /// # Errors
    /// [`Misfit`] when the event is about a child entity or a variant that is not there.
    fn apply_to(&self, state: &mut S) -> Applied;
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
    /// The event does not fit the state.
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

impl EvolveError {
    /// `S` does not know `event`.
    #[must_use]
    pub fn unknown<S>(event: &Decode<'_>) -> Self {
        Self::Unknown { state: std::any::type_name::<S>(), event: event.name().to_owned() }
    }
}
