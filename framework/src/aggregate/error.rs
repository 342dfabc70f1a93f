//! Why a state could not be loaded.

use crate::message::StreamId;
use crate::store::ReadError;

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
}
