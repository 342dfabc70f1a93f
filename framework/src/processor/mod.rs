//! Processors follow the event store, hand events to handlers, and keep a tracking token that commits with what the
//! handlers write.

mod handlers;

pub use handlers::EventHandlers;
