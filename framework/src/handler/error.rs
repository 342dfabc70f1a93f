//! Errors of handlers.

use std::fmt;

/// Anything that an event handler or a handler outside aggregates failed with. `?` turns every error into it.
///
/// It is no `std::error::Error` itself, which is what makes `?` work for all of them; [`HandlerError::source`] gives
/// the error inside.
///
/// A handler may say whether trying again can help. Where it does not, the errors inside are looked at, and one of which
/// nothing is known counts as transient.
///
/// ```
/// use annals::handler::{FailureClass, HandlerError};
///
/// let gone = HandlerError::permanent("the card was closed");
/// assert_eq!(gone.class(), Some(FailureClass::Permanent));
/// assert_eq!(HandlerError::new("the bank does not answer").class(), None);
/// ```
pub struct HandlerError {
    source: Box<dyn std::error::Error + Send + Sync>,
    class: Option<FailureClass>,
}

/// Whether trying the same again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// It may go well later: a server does not answer, a conflict.
    Transient,
    /// It ends in the same each time.
    Permanent,
}

impl HandlerError {
    /// An error with this text.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        message.into().into()
    }

    /// An error that may be gone when the same is tried again.
    #[must_use]
    pub fn transient(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: error.into(), class: Some(FailureClass::Transient) }
    }

    /// An error that trying again does not help against. A retry policy lets it be.
    #[must_use]
    pub fn permanent(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: error.into(), class: Some(FailureClass::Permanent) }
    }

    /// What the handler said about trying again; `None` where it said nothing.
    #[must_use]
    pub fn class(&self) -> Option<FailureClass> {
        self.class
    }

    /// The error inside.
    #[must_use]
    pub fn source(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.source
    }

    /// The error inside, to keep.
    #[must_use]
    pub fn into_source(self) -> Box<dyn std::error::Error + Send + Sync> {
        self.source
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self { source: error.into(), class: None }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", chain(&*self.source))
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

/// `error` and its causes on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some libraries say what their cause says, and give the cause too.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// A parameter of a handler could not be provided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a handler asks for `{wanted}`, {reason}")]
pub struct ContextError {
    /// The type that was asked for.
    pub wanted: String,
    /// Why it is not there, and the remedy.
    pub reason: String,
}

impl ContextError {
    /// `wanted` cannot be provided, because of `reason`.
    pub fn new(wanted: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { wanted: wanted.into(), reason: reason.into() }
    }

    pub(crate) fn no_resource(wanted: &str) -> Self {
        Self::new(wanted, "and no such resource was given: add it with `Annals::builder().resource(..)`")
    }
}

/// `error`, then what caused it, and so on.
pub(crate) fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn std::error::Error + 'static) = *error;
        error.source()
    })
}
