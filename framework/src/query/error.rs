//! Why a query gave no answer.

use std::time::Duration;

use crate::handler::{ContextError, HandlerError, panic_message};
use crate::message::Position;
use crate::store::error::BoxError;

/// Why a query gave no answer; one variant for each remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Nobody answers this query. Register a handler.
    #[error("no handler answers the query `{query}`")]
    NoHandler {
        /// Name of the query.
        query: &'static str,
    },
    /// The read model has not come as far as `after(..)` asked, within the time given. Ask again, allow more time, or
    /// accept a stale answer with `.or_stale()`.
    #[error("`{processor}` has reached position {reached} of {wanted} after {waited:?}")]
    Stale {
        /// The processor that feeds the read model.
        processor: String,
        /// Where it is.
        reached: Position,
        /// Where it should be.
        wanted: Position,
        /// How long was waited.
        waited: Duration,
    },
    /// The event that was waited for could not be handled, and lies among the dead letters.
    #[error("`{processor}` could not handle the event that the answer depends on: it is a dead letter")]
    Parked {
        /// The processor that feeds the read model.
        processor: String,
    },
    /// The answer did not come in the time given with `.within(..)`. What was under way is cancelled.
    #[error("the query `{query}` was not answered within {after:?}")]
    Timeout {
        /// Name of the query.
        query: &'static str,
        /// The time given.
        after: Duration,
    },
    /// An interceptor refused, or answered with something else than the query's reply.
    #[error("the query was refused: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// A parameter of the handler could not be provided.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// The handler failed.
    #[error("the query could not be answered")]
    Failed {
        /// What the handler said.
        source: BoxError,
    },
}

impl QueryError {
    /// The handler failed with `error`.
    pub fn failed(error: impl Into<BoxError>) -> Self {
        Self::Failed { source: error.into() }
    }
}

impl QueryError {
    pub(crate) fn panicked(query: &str, panic: &(dyn std::any::Any + Send)) -> Self {
        Self::failed(format!("the handler of `{query}` panicked: {}", panic_message(panic)))
    }

    /// An interceptor put something else in the place of a query or its answer.
    pub(crate) fn foreign(query: &str, what: &str) -> Self {
        Self::Refused { reason: format!("an interceptor gave a {what} that `{query}` does not have") }
    }
}

impl From<HandlerError> for QueryError {
    fn from(error: HandlerError) -> Self {
        Self::Failed { source: error.into_source() }
    }
}

#[cfg(feature = "sqlite")]
impl From<sqlx::Error> for QueryError {
    fn from(error: sqlx::Error) -> Self {
        Self::failed(error)
    }
}

impl From<serde_json::Error> for QueryError {
    fn from(error: serde_json::Error) -> Self {
        Self::failed(error)
    }
}
