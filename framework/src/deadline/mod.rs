//! Deadlines: durable timers that fire at or after their instant, survive restarts, and are void when their saga has ended.

mod scheduler;

pub(crate) use scheduler::{DeadlineTarget, Scheduler};
