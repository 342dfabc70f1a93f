//! An aggregate in a unit of work.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::aggregate::{Aggregate, KeyChange, Sourced, StoredRow, StoredState, UniqueKey, changes, keys_in};
use crate::message::{CodecError, StreamId, Version};
use crate::store::{Append, DocumentWrite, Expected, Journal};

/// An aggregate in a unit of work, as it is stored and as it was decided.
#[derive(Clone)]
pub(super) struct Part {
    stored: Look,
    now: Look,
    rests_on: RestsOn,
}

/// An aggregate as it is at one moment.
#[derive(Clone)]
struct Look {
    /// An `Option<Sourced<A>>`.
    state: Arc<dyn Any + Send + Sync>,
    keys: BTreeSet<UniqueKey>,
}

/// What must still be so when the unit commits.
#[derive(Clone)]
enum RestsOn {
    /// The version of the stream.
    Stream(Option<Version>),
    /// The revision of the row.
    Row { revision: u64, rows: Arc<dyn Rows> },
}

/// The rows of a type of aggregates.
trait Rows: Send + Sync {
    /// The write of a row that was read at `revision` and is to be as it is `now`.
    fn write_as(
        &self,
        now: &Look,
        journal: &Journal,
        stream: &StreamId,
        revision: u64,
    ) -> Result<DocumentWrite, CodecError>;
}

impl<A: Aggregate> Rows for StoredState<A> {
    fn write_as(
        &self,
        now: &Look,
        journal: &Journal,
        stream: &StreamId,
        revision: u64,
    ) -> Result<DocumentWrite, CodecError> {
        self.write(journal, stream.id(), revision, now.state::<A>().and_then(Option::as_ref))
    }
}

impl Look {
    fn of<A: Aggregate>(state: Option<Sourced<A>>) -> Self {
        Self { keys: keys_in(state.as_ref()), state: Arc::new(state) }
    }

    fn state<A: Aggregate>(&self) -> Option<&Option<Sourced<A>>> {
        self.state.downcast_ref()
    }
}

impl Part {
    /// An aggregate that is built from the events of its stream.
    pub(super) fn of_stream<A: Aggregate>(state: Option<Sourced<A>>) -> Self {
        let rests_on = RestsOn::Stream(state.as_ref().map(|sourced| sourced.version));
        let stored = Look::of(state);
        Self { now: stored.clone(), stored, rests_on }
    }

    /// An aggregate whose state is a row.
    pub(super) fn of_row<A: Aggregate>(row: StoredRow<A>, rows: StoredState<A>) -> Self {
        let rests_on = RestsOn::Row { revision: row.revision, rows: Arc::new(rows) };
        let stored = Look::of(row.sourced);
        Self { now: stored.clone(), stored, rests_on }
    }

    pub(super) fn state<A: Aggregate>(&self) -> Option<&Option<Sourced<A>>> {
        self.now.state()
    }

    pub(super) fn decided<A: Aggregate>(&mut self, after: Option<Sourced<A>>) {
        self.now = Look::of(after);
    }

    /// Forgets what was decided.
    pub(super) fn undo(&mut self) {
        self.now = self.stored.clone();
    }

    pub(super) fn key_changes(&self, stream: &StreamId) -> Vec<KeyChange> {
        changes(stream, &self.stored.keys, &self.now.keys)
    }

    /// Adds to `append` what makes sure that the aggregate is as it was read, and the row where there is one.
    pub(super) fn write(self, stream: StreamId, journal: &Journal, append: &mut Append) -> Result<(), CodecError> {
        match self.rests_on {
            RestsOn::Stream(version) => append.expected.push((stream, Expected::exactly(version))),
            RestsOn::Row { revision, rows } => {
                append.documents.push(rows.write_as(&self.now, journal, &stream, revision)?);
                append.expected.push((stream, Expected::Any));
            }
        }
        Ok(())
    }
}
