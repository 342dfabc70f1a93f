//! Keys by which another system knows a call again.

use std::fmt;

use uuid::Uuid;

use crate::handler::{Context, ContextError, FromContext};

/// A key by which another system knows a call again that is made twice: the same for one event in one component,
/// however often it is handled, on whichever node, also in a replay; another one for every other event and component. Handlers
/// of events take it as a parameter, and send it along, as in a header `Idempotency-Key`.
///
/// As text it is a UUID of version 5 (RFC 9562), 36 characters, made of the event's id and the names of the processor and of
/// the component (`#[event_handlers(processor = "..", name = "..")]`).
///
/// ```
/// use annals::prelude::*;
/// use annals::processor::IdempotencyKey;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "order.placed")] struct OrderPlaced { #[tag] order: String }
/// #[derive(Default)]
/// struct Billing;
///
/// #[event_handlers(processor = "billing", external)]
/// impl Billing {
///     #[handle]
///     async fn placed(&self, event: &OrderPlaced, key: IdempotencyKey) -> Result<(), HandlerError> {
///         println!("POST /charges for {}, Idempotency-Key: {}", event.order, key.of("charge"));
///         println!("POST /mails for {}, Idempotency-Key: {}", event.order, key.of("mail"));
///         Ok(())
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Uuid);

impl IdempotencyKey {
    /// The key of the call with this name, for handlers that make more than one.
    #[must_use]
    pub fn of(&self, call: &str) -> Self {
        Self(Uuid::new_v5(&self.0, call.as_bytes()))
    }

    /// As a UUID.
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromContext for IdempotencyKey {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        let none = || ContextError::new("`IdempotencyKey`", "it is given to handlers of events");
        let (event, receiver) = (context.event_id().ok_or_else(none)?, context.receiver().ok_or_else(none)?);
        let Receiver { processor, component, part } = receiver;
        Ok(Self(Uuid::new_v5(&event.uuid(), format!("{processor}\n{component}\n{part}").as_bytes())))
    }
}

/// Who handles an event, and which part of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receiver<'a> {
    pub(crate) processor: &'a str,
    pub(crate) component: &'a str,
    /// Upcasters may have made several of it.
    pub(crate) part: usize,
}
