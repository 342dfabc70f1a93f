//! Commands that are sent later.
//!
//! A scheduled command is a row beside the effects of sagas, and is delivered as they are: at or after its instant, never
//! earlier, under a fixed id, so that it has one effect however often it is sent. One node sends those of a tenant; when it
//! ends, another takes over.

mod call;
mod dispatcher;
mod scheduler;

pub use call::ScheduleCall;
pub use scheduler::{ScheduledCommand, Scheduler};

pub(crate) use dispatcher::ScheduleDispatcher;

/// The name under which scheduled commands are kept, where an effect has the name of its saga.
pub(crate) const SCHEDULED: &str = "$commands";
/// The right to send them.
const CLAIM: &str = "saga:$commands";
