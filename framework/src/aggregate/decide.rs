//! Deciding: a command meets the state, and events or a refusal come of it.

use crate::handler::{Context, ContextError, Requirement};
use crate::message::Command;
use crate::store::Criteria;

use super::Events;

/// The command `Self` is decided by the state `S`. `#[command_handlers]` implements it for each `#[handle]`.
///
/// ```
/// use annals::aggregate::{Creation, Events, HandledBy, Refusal};
/// use annals::handler::Context;
/// use annals::prelude::*;
///
/// #[derive(Command, Serialize, Deserialize)]
/// #[command(name = "lamp.switch")]
/// struct Switch { #[target] lamp: String }
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(name = "lamp.switched")]
/// struct Switched { on: bool }
///
/// #[derive(Aggregate, Default, Clone)]
/// #[aggregate(name = "lamp")]
/// struct Lamp { on: bool }
///
/// #[event_sourcing]
/// impl Lamp {
///     #[apply] fn switched(&mut self, event: &Switched) { self.on = event.on; }
/// }
///
/// // What `#[command_handlers]` would write:
/// impl HandledBy<Lamp> for Switch {
///     const CREATION: Creation = Creation::MayExist;
///
///     fn decide(&self, lamp: &Lamp, _: &Context<'_>, events: &mut Events<Lamp>) -> Result<(), Refusal<Never>> {
///         events.record(Switched { on: !lamp.on });
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{S}` has no handler for the command `{Self}`",
    note = "add a method with `#[handle]` that takes it to a `#[command_handlers]` block of `{S}`"
)]
pub trait HandledBy<S>: Command {
    /// Whether the stream must exist.
    const CREATION: Creation = Creation::MustExist;

    /// Decides. What is recorded in `events` is stored if the result is `Ok`.
    ///
    /// # Errors
    /// [`Refusal::Rejected`] when the domain says no.
    fn decide(
        &self,
        state: &S,
        context: &Context<'_>,
        events: &mut Events<S>,
    ) -> Result<Self::Reply, Refusal<Self::Error>>;

    /// The state before the first event. A decision that has to know what it is about implements `From<&Command>`.
    fn initial(&self) -> S
    where
        S: Default,
    {
        S::default()
    }

    /// What the handler's parameters need.
    fn requirements() -> Vec<Requirement> {
        Vec::new()
    }

    /// Whether the command brings its boundary itself.
    const BOUNDED: bool = false;

    /// The consistency boundary of a decision, where the command brings it itself; a criterion without names asks for all
    /// events of the decision.
    fn boundary(&self) -> Option<Criteria> {
        None
    }

    /// What must not have happened since the decision has read `read`. Default: all of it.
    ///
    /// To leave something out means that the decision stays right if that happens meanwhile.
    fn condition(&self, read: Criteria) -> Criteria {
        read
    }
}

/// Whether the stream of the target must exist when a command is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Creation {
    /// `#[handle(create)]`: it must not.
    MustNotExist,
    /// `#[handle(create_if_missing)]`: either way. Also where one handler creates and another one changes.
    MayExist,
    /// `#[handle]`: it must.
    MustExist,
}

/// Why a handler gave no events.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal<E> {
    /// The domain said no.
    Rejected(E),
    /// A parameter of the handler could not be provided.
    Context(ContextError),
    /// A handler outside aggregates failed for a technical reason.
    Failed(crate::handler::HandlerError),
    /// The command is for a child entity that is not there.
    NoEntity {
        /// Where entities of this kind are, such as `copies`.
        entities: &'static str,
        /// The id that the command names; empty for a single entity.
        id: String,
    },
    /// The command is not handled in the variant that the state is.
    WrongVariant {
        /// Those in which it is, such as `Open(open)`.
        expected: &'static str,
    },
}

impl<E> From<ContextError> for Refusal<E> {
    fn from(error: ContextError) -> Self {
        Self::Context(error)
    }
}
