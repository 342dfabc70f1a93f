//! The state of a decision, to look at.

use std::fmt;

use crate::message::Position;
use crate::store::{Criteria, Journal, Read};

use super::model::fold_read;
use super::{AsOf, Decision, HandledBy, LoadError, boundary_for};

/// The state of a decision as a command meets it, to look at; from [`Annals::decision`](crate::Annals::decision).
pub struct DecisionHandle<D> {
    journal: Journal,
    boundary: Criteria,
    initial: D,
}

/// The state of a decision, and up to where it is built.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Judged<D> {
    /// The state.
    pub state: D,
    /// How many events are in it.
    pub events: u64,
    /// The position of the newest event in it; [`Position::START`] where there is none.
    pub newest: Position,
}

impl<D: Decision> DecisionHandle<D> {
    pub(crate) fn new<C: HandledBy<D>>(journal: Journal, command: &C) -> Self {
        Self { journal, boundary: boundary_for::<D, C>(command), initial: command.initial() }
    }

    /// The consistency boundary.
    #[must_use]
    pub fn boundary(&self) -> &Criteria {
        &self.boundary
    }

    /// The newest state.
    ///
    /// # Errors
    /// When the events cannot be read or applied.
    pub async fn load(&self) -> Result<Judged<D>, LoadError> {
        self.fold(self.read()).await
    }

    /// The state as it was.
    ///
    /// # Errors
    /// When the events cannot be read or applied; [`LoadError::NoVersion`] for [`AsOf::Version`], since a boundary has no
    /// versions.
    pub async fn as_of(&self, as_of: AsOf) -> Result<Judged<D>, LoadError> {
        self.fold(match as_of {
            AsOf::Position(position) => self.read().up_to(position),
            AsOf::Time(until) => self.read().until(until),
            AsOf::Version(_) => return Err(LoadError::NoVersion { decision: D::NAME }),
        })
        .await
    }

    fn read(&self) -> Read {
        Read::matching(self.boundary.clone(), Position::START)
    }

    async fn fold(&self, read: Read) -> Result<Judged<D>, LoadError> {
        let (state, folded) = fold_read(&self.journal, self.initial.clone(), read).await?;
        Ok(Judged { state, events: folded.events, newest: folded.newest })
    }
}

impl<D> fmt::Debug for DecisionHandle<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionHandle").field("boundary", &self.boundary).finish_non_exhaustive()
    }
}
