//! Queries: the bus, the handlers, and reads that see one's own writes.

mod bus;
mod error;
mod handler;

pub use bus::{Mark, QueryBus, QueryCall, StalePolicy};
pub use error::QueryError;
pub use handler::AnsweredBy;

pub(crate) use bus::Route;
