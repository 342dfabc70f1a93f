//! CQRS and event sourcing for Rust.
pub mod handler;
pub mod message;
pub mod registry;
pub mod store;
pub use message::*;
