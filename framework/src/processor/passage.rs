//! What a handler may know of the way in which an event comes to it.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::handler::{Context, ContextError, FromContext};
use crate::message::Position;
use crate::store::Segment;

/// How an event comes to a handler.
#[derive(Debug, Clone, Default)]
pub(crate) struct Passage {
    pub(crate) replay: ReplayStatus,
    pub(crate) attempt: Attempt,
    pub(crate) context: Option<Value>,
    pub(crate) segment: Option<Segment>,
}

/// The segment that handles the event.
impl FromContext for Segment {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        let segment = context.passage().and_then(|passage| passage.segment);
        segment.ok_or_else(|| ContextError::new("`Segment`", "it is given to handlers that a processor runs"))
    }
}

/// Whether an event is new to a processor. Handlers of events take it as a parameter.
///
/// ```
/// use annals::prelude::*;
/// use annals::processor::ReplayStatus;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "order.placed")] struct OrderPlaced { #[tag] order: String }
/// #[derive(Default)]
/// struct Mailer;
///
/// #[event_handlers(processor = "mails")]
/// impl Mailer {
///     #[handle]
///     async fn placed(&self, event: &OrderPlaced, status: ReplayStatus) -> Result<(), HandlerError> {
///         if status == ReplayStatus::New {
///             println!("thank you for {}", event.order);
///         }
///         Ok(())
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ReplayStatus {
    /// It was appended after the processor first ran, and is handled for the first time.
    #[default]
    New,
    /// It was there when the processor first ran.
    Initial,
    /// The processor was reset, and had handled it before.
    Replay,
}

impl FromContext for ReplayStatus {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        Ok(context.passage().map(|passage| passage.replay).unwrap_or_default())
    }
}

/// What was given with the reset that an event is handled again after
/// ([`ProcessorsHandle::reset_with`](super::ProcessorsHandle::reset_with)). Handlers of events take it as a parameter.
///
/// ```
/// use annals::prelude::*;
/// use annals::processor::ReplayContext;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "order.placed")] struct OrderPlaced { #[tag] order: String }
/// #[derive(Default)]
/// struct Sales;
///
/// #[event_handlers(processor = "sales")]
/// impl Sales {
///     #[handle]
///     async fn placed(&self, event: &OrderPlaced, reason: ReplayContext<String>) -> Result<(), HandlerError> {
///         if let Some(reason) = reason.0 {
///             println!("{} again: {reason}", event.order);
///         }
///         Ok(())
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplayContext<T>(
    /// It; `None` where nothing was given, or it is no `T`, or the event is new.
    pub Option<T>,
);

impl<T: DeserializeOwned> FromContext for ReplayContext<T> {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        let given = context.passage().and_then(|passage| passage.context.as_ref());
        Ok(Self(given.and_then(|given| T::deserialize(given).ok())))
    }
}

/// How often an event was tried. Handlers of events take it as a parameter.
///
/// ```
/// use annals::prelude::*;
/// use annals::processor::Attempt;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "order.placed")] struct OrderPlaced { #[tag] order: String }
/// #[derive(Default)]
/// struct Shop;
///
/// #[event_handlers(processor = "shop")]
/// impl Shop {
///     #[handle]
///     async fn placed(&self, event: &OrderPlaced, attempt: Attempt) -> Result<(), HandlerError> {
///         if attempt.is_retry() {
///             println!("{} again, for the {}. time", event.order, attempt.number);
///         }
///         Ok(())
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Attempt {
    /// Counted from 1. It counts the attempts that failed before and were written down: a page that fails is handled event by
    /// event, and only what fails then counts.
    pub number: u32,
}

impl Default for Attempt {
    fn default() -> Self {
        Self { number: 1 }
    }
}

impl Attempt {
    /// Whether the event comes from the dead letters.
    #[must_use]
    pub const fn is_retry(self) -> bool {
        self.number > 1
    }
}

impl FromContext for Attempt {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        Ok(context.passage().map(|passage| passage.attempt).unwrap_or_default())
    }
}

/// Where a processor is reset to, and what was said with it. A `#[reset]` takes it as a parameter.
///
/// ```
/// use annals::prelude::*;
/// use annals::processor::ResetTo;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "order.placed")] struct OrderPlaced { #[tag] order: String }
/// #[derive(Default)]
/// struct Sales;
///
/// #[event_handlers(processor = "sales")]
/// impl Sales {
///     #[handle]
///     async fn placed(&self, _event: &OrderPlaced) -> Result<(), HandlerError> { Ok(()) }
///
///     #[reset]
///     async fn reset(&self, to: ResetTo) -> Result<(), HandlerError> {
///         println!("everything behind {} comes again: {:?}", to.position, to.context::<String>());
///         Ok(())
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ResetTo {
    /// Events behind this position are handled again.
    pub position: Position,
    context: Option<Value>,
}

impl ResetTo {
    pub(crate) fn new(position: Position, context: Option<Value>) -> Self {
        Self { position, context }
    }

    /// What was given with the reset, if it is a `T`.
    #[must_use]
    pub fn context<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(self.context.as_ref()?).ok()
    }
}

impl FromContext for ResetTo {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        let none = || ContextError::new("`ResetTo`", "it is given where a processor is reset");
        context.reset().cloned().ok_or_else(none)
    }
}
