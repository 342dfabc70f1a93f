//! .

mod handler;
mod target;

pub use handler::{IntoRefusal, ServedBy};
pub use target::{BoundaryConsistency, CommandTarget, Consistency, StreamConsistency};
