//! Aggregates and decisions: pure rules that turn commands into events, and events into state.
//!
//! An aggregate decides over its own stream; a decision decides over a consistency boundary, a query over tags. Both
//! [evolve](EventSourced) from events and [decide](HandledBy) on commands. Neither does I/O or asks for the time.

mod decide;
mod decision;
mod error;
mod events;
mod evolve;
mod repository;
mod snapshot;

pub use decide::{Creation, HandledBy, Refusal};
pub use decision::Decision;
pub use error::LoadError;
pub use events::{Emitted, Events, IntoEvents};
pub use evolve::{AppliedTo, EventSourced, EvolveError};
pub use repository::{AggregateHandle, AsOf, HistoryEntry, Repository, Sourced};
pub use snapshot::SnapshotPolicy;

/// A consistent whole that decides on commands by the events of its own stream.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[aggregate(name = "order")]` | the category of its streams | required |
/// | `#[aggregate(snapshot(every = 100))]` | a snapshot after every so many events | no snapshots |
/// | `#[aggregate(snapshot(every = 100, schema = 2))]` | raise it when a nested type has changed its shape | 1 |
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no aggregate",
    note = "annotate the struct with `#[derive(Aggregate)]` and `#[aggregate(name = \"..\")]`"
)]
pub trait Aggregate: EventSourced {
    /// The category of its streams.
    const NAME: &'static str;

    /// When snapshots are made, and how they are encoded; `None` for never.
    fn snapshots() -> Option<SnapshotPolicy<Self>> {
        None
    }
}
