//! What an event leaves behind: a state that goes on, or one that has ended.

use super::Aggregate;

/// Whether what an event was applied to goes on.
///
/// An `#[apply]` method returns it where that depends on the event or the state; `#[apply(end)]` says that it always ends.
/// An aggregate that has ended takes no commands any more, and its id is not used again; a child entity that has ended
/// leaves its collection.
///
/// ```
/// use annals::prelude::*;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "ticket.used")] struct TicketUsed;
/// #[derive(Aggregate, Default, Clone)]
/// #[aggregate(name = "ticket")]
/// struct Ticket { rides: u32 }
///
/// #[event_sourcing]
/// impl Ticket {
///     #[apply]
///     fn used(&mut self, _event: &TicketUsed) -> Lifecycle {
///         self.rides = self.rides.saturating_sub(1);
///         if self.rides == 0 { Lifecycle::End } else { Lifecycle::Keep }
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lifecycle {
    /// It goes on.
    #[default]
    Keep,
    /// It has ended.
    End,
}

/// What an `#[apply]` method may return: nothing, or a [`Lifecycle`].
#[diagnostic::on_unimplemented(
    message = "an `#[apply]` method cannot return `{Self}`",
    label = "expected nothing or `Lifecycle`",
    note = "the event has happened, so nothing can fail; `Lifecycle::End` ends the aggregate or the entity"
)]
pub trait IntoLifecycle {
    /// Whether it goes on.
    fn into_lifecycle(self) -> Lifecycle;
}

impl IntoLifecycle for () {
    fn into_lifecycle(self) -> Lifecycle {
        Lifecycle::Keep
    }
}

impl IntoLifecycle for Lifecycle {
    fn into_lifecycle(self) -> Lifecycle {
        self
    }
}

/// A state that may end: every aggregate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no aggregate, and cannot end",
    label = "only an aggregate ends, or an entity with `at = ..`",
    note = "a decision is built anew for each command, and is never closed: keep what has happened in a field, and let the \
            handler refuse by it"
)]
pub trait MayEnd {}

#[diagnostic::do_not_recommend]
impl<A: Aggregate> MayEnd for A {}

/// An event does not fit the state that it is to change: it is about a child entity that is not there, or about another
/// variant of the state.
///
/// Where a command would emit such an event, nothing is stored. Where one is stored, the state cannot be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event `{event}` is applied {place}, and the state is another one")]
pub struct Misfit {
    /// Stored name of the event.
    pub event: &'static str,
    /// Where the state should have been, as it stands in the attribute: `at copies[copy]`, `when Open(open)`.
    pub place: &'static str,
}

/// What comes of applying an event.
pub type Applied = Result<Lifecycle, Misfit>;
