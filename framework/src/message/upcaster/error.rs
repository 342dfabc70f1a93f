//! Why something stored could not be lifted.

use crate::message::CodecError;

/// Why a stored event could not be turned into the type that a handler takes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpcastError {
    /// An upcaster refused the payload.
    #[error("the upcaster of `{name}` from revision {revision} failed: {reason}")]
    Step {
        /// The stored name.
        name: String,
        /// The revision that the step starts from.
        revision: u32,
        /// What the upcaster said.
        reason: String,
    },
    /// The payload has a revision that this program does not know; a newer program wrote it, or an upcaster is missing.
    #[error("`{name}` is stored at revision {stored}, this program reads revision {known}")]
    Revision {
        /// The stored name.
        name: String,
        /// The revision after all upcasters.
        stored: u32,
        /// The revision of the Rust type.
        known: u32,
    },
    /// The payload has another shape than the Rust type.
    #[error(
        "the payload of `{name}` at revision {revision} is unreadable; if its shape has changed, raise the revision of the \
         message and lift the stored ones with `#[upcast(from = {revision})]`"
    )]
    Payload {
        /// The stored name.
        name: String,
        /// The revision of the payload.
        revision: u32,
        /// What the codec said.
        source: CodecError,
    },
    /// An upcaster gave an event that it does not declare, so that readers would not find it. Name it in
    /// `#[upcast(into(..))]`.
    #[error(
        "the upcaster of `{name}` from revision {revision} gave `{given}` at revision {given_revision}, which it does not \
         declare: name its type in `#[upcast(into(..))]`"
    )]
    Undeclared {
        /// The stored name.
        name: String,
        /// The revision that the step starts from.
        revision: u32,
        /// The name that it gave.
        given: String,
        /// The revision that it gave.
        given_revision: u32,
    },
    /// One stored event became more parts than [`Upcasters::PARTS`](super::Upcasters::PARTS).
    #[error("`{name}` at revision {revision} becomes more than {limit} events: let its upcasters give fewer")]
    Parts {
        /// The stored name.
        name: String,
        /// The stored revision.
        revision: u32,
        /// The limit.
        limit: usize,
    },
    /// The upcaster needs what earlier events of the stream have left, and there is no stream here.
    #[error(
        "the upcaster of `{name}` from revision {revision} asks for `&mut Pass`, and the event is read without its stream"
    )]
    NoPass {
        /// The stored name.
        name: String,
        /// The revision that the step starts from.
        revision: u32,
    },
}

/// Why one step gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiftError {
    /// The old payload has another shape than the upcaster takes, or what it gave cannot be written.
    #[error(transparent)]
    Payload(#[from] CodecError),
    /// The upcaster said no.
    #[error("{0}")]
    Refused(String),
    /// The upcaster asks for a [`Pass`](super::Pass), and there is none.
    #[error("there is no `Pass` here")]
    NoPass,
    /// The upcaster asks for what is known of a stored event, and lifts no event.
    #[error("there is no `Recorded` here")]
    NoRecorded,
}
