//! What becomes of events that a handler cannot handle.

use std::fmt;
use std::sync::Arc;

use crate::handler::HandlerError;
use crate::message::RecordedEvent;

/// What becomes of an event that has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnError {
    /// It is tried again after a pause, and parked when it was tried often enough. Later events of its sequence wait.
    Retry,
    /// It is parked at once as a dead letter, and later events of its sequence behind it.
    Park,
    /// Its segment stops before it and tries it again after a pause, again and again. Other segments go on.
    Stop,
    /// It is passed over, and kept for the record among the dead letters. Its sequence goes on.
    Skip,
}

/// An event that a handler could not handle, for an [`ErrorPolicy`].
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedEvent<'a> {
    /// The processor.
    pub processor: &'a str,
    /// The component whose handler failed.
    pub component: &'a str,
    /// The event.
    pub event: &'a RecordedEvent,
    /// How often it was tried, this time included.
    pub attempt: u32,
    /// What the handler said. [`HandlerError::class`] tells whether it thinks that trying again can help.
    pub error: &'a HandlerError,
}

/// Says what becomes of events that a handler cannot handle.
///
/// ```
/// use annals::Annals;
/// use annals::processor::{ErrorPolicy, OnError};
///
/// let policy = ErrorPolicy::new(|failed| {
///     if failed.event.recorded.name == "audit.noted" { OnError::Skip } else { OnError::Retry }
/// });
/// let builder = Annals::builder().processor("audit", |audit| audit.on_error = policy);
/// ```
#[derive(Clone)]
pub struct ErrorPolicy(Arc<dyn Fn(&FailedEvent<'_>) -> OnError + Send + Sync>);

impl ErrorPolicy {
    /// A policy of your own. It is asked at each attempt.
    pub fn new(policy: impl Fn(&FailedEvent<'_>) -> OnError + Send + Sync + 'static) -> Self {
        Self(Arc::new(policy))
    }

    /// The same for every error.
    #[must_use]
    pub fn always(what: OnError) -> Self {
        Self::new(move |_| what)
    }

    pub(crate) fn ask(&self, failed: &FailedEvent<'_>) -> OnError {
        (self.0)(failed)
    }
}

/// Errors that call themselves permanent are parked at once; others are tried again first.
impl Default for ErrorPolicy {
    fn default() -> Self {
        Self::new(|failed| match failed.error.class() {
            Some(crate::handler::FailureClass::Permanent) => OnError::Park,
            _ => OnError::Retry,
        })
    }
}

impl fmt::Debug for ErrorPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErrorPolicy")
    }
}
