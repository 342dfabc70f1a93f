//! Queries: the bus, the handlers, and reads that see one's own writes.

mod error;
mod handler;

pub use error::QueryError;
pub use handler::AnsweredBy;
