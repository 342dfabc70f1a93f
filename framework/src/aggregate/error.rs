//! Why a state could not be loaded.

use crate::message::{CodecError, StreamId};
use crate::store::{ReadError, StoreError};

use super::EvolveError;

/// Why the state of an aggregate or decision could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The events could not be read. The call can be repeated.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A stored event cannot be applied.
    #[error("the state of `{stream}` cannot be built")]
    Evolve {
        /// The stream.
        stream: StreamId,
        /// Why.
        source: EvolveError,
    },
    /// The store does not give a row. The call can be repeated.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The row of an aggregate whose state is stored cannot be decoded.
    #[error("the row of `{stream}` cannot be read")]
    Row {
        /// The aggregate.
        stream: StreamId,
        /// Why.
        source: CodecError,
    },
    /// A past state was asked for, of an aggregate whose state is stored and not built from events.
    #[error("the aggregate `{aggregate}` is stored as it is now, and knows no past states")]
    NoPast {
        /// Stored name of the aggregate.
        aggregate: &'static str,
    },
    /// A state was asked for as of a version, and it is built from many streams. Ask for a position or an instant.
    #[error("the decision `{decision}` has no versions; ask for its state as of a position or an instant")]
    NoVersion {
        /// Stored name of the decision.
        decision: &'static str,
    },
}
