//! When snapshots are made.

use std::time::Duration;

use crate::message::Event;

/// When snapshots of an aggregate are made. What it names is combined with "or"; on request a snapshot is made in any
/// case ([`AggregateHandle::snapshot`](crate::aggregate::AggregateHandle::snapshot)).
///
/// ```
/// use std::time::Duration;
/// use annals::aggregate::SnapshotPolicy;
///
/// let policy = SnapshotPolicy::on_request().every(100).when_loading_takes(Duration::from_millis(200));
/// assert_ne!(policy, SnapshotPolicy::on_request());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct SnapshotPolicy {
    every: Option<u64>,
    after: Option<Duration>,
    /// Stored names of events.
    on: Vec<&'static str>,
}

/// What a command has done to an aggregate.
pub(crate) struct Passed<N> {
    /// Events in the stream before the command.
    pub(crate) before: u64,
    /// Events in the stream after it.
    pub(crate) after: u64,
    /// How long the state was loaded from events; zero where none was read.
    pub(crate) loading: Duration,
    /// Stored names of the new events.
    pub(crate) names: N,
}

impl SnapshotPolicy {
    /// Snapshots on request alone.
    pub fn on_request() -> Self {
        Self::default()
    }

    /// Also when the stream passes another `events` events; 0 counts as 1. Fewer make loading faster and appends larger.
    pub fn every(mut self, events: u64) -> Self {
        self.every = Some(events.max(1));
        self
    }

    /// Also when loading the state from its events took longer than `duration`, by the application's clock. It is made
    /// with the command that had to load; a state that was loaded from a snapshot alone needs no other one.
    pub fn when_loading_takes(mut self, duration: Duration) -> Self {
        self.after = Some(duration);
        self
    }

    /// Also when the event `E` is stored, such as one after which the aggregate rests. May be given more than once.
    ///
    /// ```
    /// # use annals::aggregate::SnapshotPolicy;
    /// # use annals::prelude::*;
    /// # #[derive(Event, Serialize, Deserialize)] #[event(name = "order.completed")] struct OrderCompleted {}
    /// let policy = SnapshotPolicy::on_request().on::<OrderCompleted>();
    /// ```
    pub fn on<E: Event>(mut self) -> Self {
        self.on.push(E::NAME);
        self
    }

    /// Stored names of the events on which snapshots are made.
    pub(crate) fn events(&self) -> &[&'static str] {
        &self.on
    }

    /// Whether a snapshot is due.
    pub(crate) fn is_due<'a>(&self, passed: Passed<impl Iterator<Item = &'a str>>) -> bool {
        let Passed { before, after, loading, mut names } = passed;
        self.every.is_some_and(|every| before / every < after / every)
            || self.is_due_after(loading)
            || (!self.on.is_empty() && names.any(|name| self.on.contains(&name)))
    }

    /// Whether a snapshot is due after loading the state from events took so long.
    pub(crate) fn is_due_after(&self, loading: Duration) -> bool {
        self.after.is_some_and(|after| loading > after)
    }
}
