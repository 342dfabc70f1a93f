//! Aggregates and decisions: pure rules that turn commands into events, and events into state.
//!
//! An aggregate decides over its own stream; a decision decides over a consistency boundary, a query over tags. Both
//! [evolve](EventSourced) from events and [decide](HandledBy) on commands. Neither does I/O or asks for the time.

mod boundary;
mod deadlines;
mod decide;
mod decision;
mod decision_handle;
mod entity;
mod error;
mod events;
mod evolve;
mod lifecycle;
mod lock;
mod model;
mod repository;
mod snapshot;
mod stored;
mod unique;

pub use boundary::boundary_of;
pub use deadlines::{Deadlines, Due};
pub use decide::{Creation, HandledBy, Refusal};
pub use decision::Decision;
pub use decision_handle::{DecisionHandle, Judged};
pub use entity::{Entities, Entity};
pub use error::LoadError;
pub use events::{Emitted, Events, IntoEvents};
pub use evolve::{AppliedTo, EventSourced, EvolveError};
pub use lifecycle::{Applied, IntoLifecycle, Lifecycle, MayEnd, Misfit};
pub use lock::{Locked, SemanticLock};
pub use model::Model;
pub use repository::{AggregateHandle, AsOf, HistoryEntry, Repository, Sourced};
pub use snapshot::{SnapshotError, SnapshotPolicy, Snapshots};
pub use stored::{StateStored, StoredState};
pub use unique::UniqueKey;

pub(crate) use boundary::boundary_for;
pub(crate) use deadlines::Awaited;
pub(crate) use model::{ModelSource, evolve_pending, fold_boundary, models};
pub(crate) use snapshot::Passed;
pub(crate) use stored::{StoredRow, rows_of};
pub(crate) use unique::{Holder, KeyChange, changes, documents_of, holder, keys_in};

/// A consistent whole that decides on commands by the events of its own stream.
///
/// | attribute | meaning | default |
/// |---|---|---|
/// | `#[aggregate(name = "order")]` | the category of its streams | required |
/// | `#[aggregate(snapshot)]` | states can be kept as snapshots, on request: `app.aggregate::<Order>(id).snapshot()` | no snapshots |
/// | `#[aggregate(snapshot(every = 100))]` | also after every so many events, at least 1 | not by count |
/// | `#[aggregate(snapshot(after = "200ms"))]` | also when loading from events took longer; `us`, `ms`, `s` or `m` | not by time |
/// | `#[aggregate(snapshot(on = OrderCompleted))]` | also on this event; several as `on(OrderCompleted, OrderCancelled)` | not by event |
/// | `#[aggregate(snapshot(revision = 2))]` | raise it when a nested type has changed its shape | 1 |
/// | `#[aggregate(state_stored)]` | the state is a row, and not built from events: see [`StateStored`] | built from events |
/// | `#[unique]` on a field | no other aggregate of the type has the same value: see [`UniqueKey`] | values are not compared |
///
/// A snapshot is made when any of them says so. It is stored with the events after which it is due, in one transaction.
/// [`Builder::snapshots`](crate::app::Builder::snapshots) replaces all but the revision.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no aggregate",
    note = "annotate the struct with `#[derive(Aggregate)]` and `#[aggregate(name = \"..\")]`"
)]
pub trait Aggregate: EventSourced {
    /// Names of the unique keys.
    const UNIQUE: &'static [&'static str] = &[];

    /// The category of its streams.
    const NAME: &'static str;

    /// How its states are stored as snapshots, and when; `None` where they cannot be.
    fn snapshots() -> Option<Snapshots<Self>> {
        None
    }

    /// How the row of a [`StateStored`] aggregate is read and written; `None` for one that is built from events.
    fn stored() -> Option<StoredState<Self>> {
        None
    }

    /// The values that no other aggregate of this type may have, as they are in this state. They are taken and given up
    /// in the append that changes them; an aggregate that has ended has none.
    ///
    /// They are kept from the first command on that changes them: where aggregates are stored already when a key is
    /// declared, their values are not known until then.
    fn unique_keys(&self) -> Vec<UniqueKey> {
        Vec::new()
    }

    /// Bytes that this state takes in memory, about: the cache of states is bounded by them. It is asked when a state is
    /// loaded, and again as it grows, not for each command.
    ///
    /// Default: the bytes of the value itself, without what it points to. The derive adds the length of its JSON text
    /// where the type is `Serialize`.
    fn size(&self) -> usize {
        size_of_val(self)
    }
}
