//! CQRS and event sourcing for Rust.

// The macros name the crate `::annals`, also inside it.
extern crate self as annals;

pub mod aggregate;
pub mod command;
pub mod handler;
pub mod message;
pub mod prelude;
#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod processor;
pub mod query;
pub mod registry;
pub mod saga;
pub mod store;
pub mod testing;
pub mod view;

pub use annals_macros::*;
pub use message::{
    Clock, Command, CommandId, Event, EventId, Metadata, Position, Query, RecordedEvent, StreamId, SystemClock, Tag,
    Timestamp, Version,
};
