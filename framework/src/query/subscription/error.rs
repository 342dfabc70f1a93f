//! Why a subscription did not begin, or why it ended.

use std::sync::Arc;

use crate::query::QueryError;

/// Why a subscription did not begin, or what its updates end with. After each but [`SubscriptionError::Query`] the stream
/// has ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// There is no answer. As an update: a view has changed and the query could not be answered again; it is tried again
    /// after a pause, and the stream goes on.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The subscriber took emitted updates more slowly than they came. It has got all up to here, and has missed what
    /// followed: subscribe again, take updates faster, or ask for a larger buffer with `.buffer(..)`.
    #[error("the subscriber of `{query}` was too slow: more than {buffer} updates waited")]
    Overflow {
        /// Name of the query.
        query: &'static str,
        /// How many updates may wait.
        buffer: usize,
    },
    /// Somebody ended it with an error, with [`QueryUpdates::complete_with`](super::QueryUpdates::complete_with).
    #[error("the subscription of `{query}` was completed with an error")]
    Completed {
        /// Name of the query.
        query: &'static str,
        /// The error.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The application was shut down. Subscribe again where another node runs.
    #[error("the subscription of `{query}` ended: the application is shut down")]
    ShutDown {
        /// Name of the query.
        query: &'static str,
    },
}
