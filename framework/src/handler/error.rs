//! Errors of handlers.

use std::fmt;

/// Anything that an event handler or a handler outside aggregates failed with. `?` turns every error into it.
///
/// It is no `std::error::Error` itself, which is what makes `?` work for all of them; [`HandlerError::source`] gives
/// the error inside.
pub struct HandlerError(Box<dyn std::error::Error + Send + Sync>);

impl HandlerError {
    /// An error with this text.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into().into())
    }

    /// The error inside.
    #[must_use]
    pub fn source(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.0
    }

    /// The error inside, to keep.
    #[must_use]
    pub fn into_source(self) -> Box<dyn std::error::Error + Send + Sync> {
        self.0
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", chain(&*self.0))
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
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
