//! Why there is no snapshot.

use crate::aggregate::LoadError;
use crate::message::CodecError;
use crate::store::StoreError;

/// Why a snapshot was not made on request. Snapshots that a policy asks for are never reported as failed (guarantee 9).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The states of the aggregate cannot be stored. Say that they can, with `#[aggregate(snapshot)]`.
    #[error("the states of `{aggregate}` cannot be stored: write `#[aggregate(snapshot)]`")]
    NoSnapshots {
        /// The Rust type.
        aggregate: &'static str,
    },
    /// The state could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The codec cannot express the state.
    #[error("the state of `{aggregate}` could not be encoded")]
    Codec {
        /// The Rust type.
        aggregate: &'static str,
        /// What the codec said.
        source: CodecError,
    },
    /// The store did not keep the snapshot. The call can be repeated.
    #[error(transparent)]
    Store(#[from] StoreError),
}
