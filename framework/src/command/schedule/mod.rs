//! Commands that are sent later, and events that are appended later.
//!
//! What is scheduled is a row beside the effects of sagas, and is delivered as they are: at or after its instant, never
//! earlier, under a fixed id, so that it has one effect however often it is sent. One node sends those of a tenant; when it
//! ends, another takes over.

mod call;
mod dispatcher;
mod event;
mod recurring;
mod scheduler;

pub use call::ScheduleCall;
pub use recurring::{Missed, Recurring, RecurringError, RecurringHandle, RecurringSchedule};
pub use scheduler::{Scheduled, ScheduledKind, Scheduler};

pub(crate) use dispatcher::ScheduleDispatcher;
pub(crate) use recurring::declare;
pub(crate) use scheduler::Known;

/// The right to send them.
const CLAIM: &str = "saga:$commands";
