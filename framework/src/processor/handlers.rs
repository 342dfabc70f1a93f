//! Event handlers with rows of their own.

use futures_util::future::BoxFuture;

use crate::handler::{Context, HandlerError, Requirement};
use crate::message::Decode;
use crate::store::StoreTransaction;

/// Handles events in the transaction that the tracking token commits in, or, inline, in that of the append.
/// `#[event_handlers]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no event handlers",
    note = "add an `impl {Self}` block with `#[event_handlers(processor = \"..\")]`"
)]
pub trait EventHandlers: Send + Sync + Sized + 'static {
    /// The processor that runs the handlers. Components that name the same processor share its token.
    const PROCESSOR: &'static str;
    /// Names of the events that are handled.
    const EVENTS: &'static [&'static str];
    /// What the component is called in dead letters and [idempotency keys](super::IdempotencyKey): a stored name, which no other
    /// component of the processor has. Default: the processor's.
    const NAME: &'static str = Self::PROCESSOR;
    /// Whether they run in the transaction of the append, whose events they see without position and version. What was stored
    /// before is handed over at start, once. Default: no.
    const INLINE: bool = false;

    /// Handles `event`. An error undoes what this event has written; it is tried again, then parked. Inline, it refuses the
    /// append.
    fn handle<'a>(
        &'a self,
        event: Decode<'a>,
        context: &'a Context<'a>,
        transaction: &'a mut dyn StoreTransaction,
    ) -> BoxFuture<'a, Result<(), HandlerError>>;

    /// Whether a replay hands over events with this name; those that were there before the processor first ran come in any
    /// case. Default: all.
    #[must_use]
    fn replays(_event: &str) -> bool {
        true
    }

    /// Makes what the handlers write to, such as a table. It runs at every start, so it must leave what is there:
    /// `CREATE TABLE IF NOT EXISTS`. `None` where there is no `#[setup]`.
    fn setup<'a>(
        &'a self,
        _context: &'a Context<'a>,
        _transaction: &'a mut dyn StoreTransaction,
    ) -> Option<BoxFuture<'a, Result<(), HandlerError>>> {
        None
    }

    /// Removes what the handlers have written, before a replay. `None` where there is no `#[reset]`: then the
    /// processor cannot be replayed.
    fn reset<'a>(
        &'a self,
        _context: &'a Context<'a>,
        _transaction: &'a mut dyn StoreTransaction,
    ) -> Option<BoxFuture<'a, Result<(), HandlerError>>> {
        None
    }

    /// What the parameters of the handlers need.
    fn requirements() -> Vec<Requirement> {
        Vec::new()
    }
}
