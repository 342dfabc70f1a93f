//! Why a processor cannot do what was asked.

/// Why a processor was not replayed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// There is no processor of this name. `app.processors().status()` lists them.
    #[error("there is no processor `{processor}`")]
    Unknown {
        /// The name.
        processor: String,
    },
    /// Its handlers cannot remove what they have written.
    #[error("processor `{processor}` cannot be replayed: {reason}")]
    Refused {
        /// The processor.
        processor: String,
        /// Why.
        reason: String,
    },
    /// It stopped, or does not run on this node.
    #[error("processor `{processor}` does not run here")]
    NotRunning {
        /// The processor.
        processor: String,
    },
}
