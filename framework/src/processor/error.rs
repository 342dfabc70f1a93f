//! Why a processor cannot do what was asked.

use crate::store::StoreError;

/// Why a processor was not steered as was asked. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessorError {
    /// There is no processor of this name. `app.processors().status()` lists them.
    #[error("there is no processor `{processor}`; there are {known:?}, and what runs inline has none")]
    Unknown {
        /// The name.
        processor: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// The processor has no such segment. `app.processors().status()` lists them.
    #[error("processor `{processor}` has no segment {segment}; it has {known:?}")]
    NoSegment {
        /// The processor.
        processor: String,
        /// The number.
        segment: u32,
        /// The numbers that there are.
        known: Vec<u32>,
    },
    /// It cannot be done with this processor.
    #[error("processor `{processor}` cannot {what}: {reason}")]
    Refused {
        /// The processor.
        processor: String,
        /// What was asked.
        what: &'static str,
        /// Why, and what can be done about it.
        reason: String,
    },
    /// The store failed. The call can be repeated.
    #[error(transparent)]
    Store(#[from] StoreError),
}
