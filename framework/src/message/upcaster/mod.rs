//! Upcasters lift old payloads to the shape that this program knows, under every read path.
//!
//! A stored event becomes one event, several, or none; those of one stored event are its *parts*. They share its place (stream,
//! version, position), its id and its tags, are handled in order, and their effects commit together.

mod check;
mod error;
mod fault;
mod output;
mod parts;
mod pass;
mod set;
mod step;

pub use error::{LiftError, UpcastError};
pub use fault::UpcasterFault;
pub use output::{Arity, Dropped, IntoUpcasted, Target, Upcasted};
pub use parts::Parts;
pub use pass::Pass;
pub use set::Upcasters;
pub use step::{Asks, Lifting, MessageKind, UpcastStep};

pub(crate) use output::Yield;
pub(crate) use set::{Chains, LiftedPart, TagsOf};

/// A payload as a generic tree, as an upcaster sees it.
pub type Json = serde_json::Value;
