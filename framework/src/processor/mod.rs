//! Processors follow the event store, hand events to handlers, and keep a tracking token that commits with what the
//! handlers write.
//!
//! A handler that fails stops only its own sequence, which is the events of one stream: the event is undone and put among
//! the dead letters, later events of the sequence behind it, and others go on. It is tried again with growing pauses,
//! then parked until somebody retries or evicts it.

mod catch_up;
mod component;
mod config;
mod control;
mod error;
mod handlers;
mod handlers_component;
mod newer;
mod progress;
mod streaming;

pub use config::ProcessorConfig;
pub use control::{ProcessorStatus, ProcessorsHandle};
pub use error::ReplayError;
pub use handlers::EventHandlers;
pub use newer::NewerRevision;

pub(crate) use catch_up::catch_up;
pub(crate) use component::{Batch, EventComponent};
pub(crate) use handlers_component::HandlersComponent;
pub(crate) use progress::{Behind, Processors};
pub(crate) use streaming::StreamingProcessor;
