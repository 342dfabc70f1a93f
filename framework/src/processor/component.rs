//! What a processor runs: components that handle steps of events inside one transaction.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use crate::handler::{AfterCommit, HandlerError};
use crate::message::RecordedEvent;
use crate::store::{Criteria, Journal, Segment, StoreTransaction};

use super::external::Called;
use super::kept::{Carried, Memory};
use super::passage::{Passage, ResetTo};
use super::sequence::SequencingPolicy;

/// A set of handlers that a processor runs: event handlers, a view, or a saga.
#[async_trait]
pub(crate) trait EventComponent: Send + Sync {
    /// For the log, and to find the step of a dead letter again.
    fn label(&self) -> &str;

    /// Names of the events that are handled.
    fn events(&self) -> &[&'static str];

    /// What is to be done for `event`: a step for each sequence that it belongs to. The event is decoded where that is needed
    /// to tell them.
    ///
    /// # Errors
    /// When it cannot be decoded.
    async fn route(&self, event: &RecordedEvent, policy: &SequencingPolicy) -> Result<Vec<Step>, HandlerError>;

    /// Whether a replay hands it the events with this name.
    fn replays(&self, _event: &str) -> bool {
        true
    }

    /// How many segments share its events where the settings of the processor say nothing; `None` for as many as others have.
    fn segments(&self) -> Option<u32> {
        None
    }

    /// Begins a page, with what it has kept behind the one before.
    fn batch(&self, carried: Carried) -> Box<dyn Batch + '_>;

    /// How it is run outside of transactions; `None` where it is not.
    fn external(&self) -> Option<&dyn External> {
        None
    }

    /// Makes what the handlers write to.
    async fn setup(&self, _transaction: &mut dyn StoreTransaction) -> Result<(), HandlerError> {
        Ok(())
    }

    /// Removes what the handlers have written. An error where that is not possible. Gives what is to be done after the
    /// commit.
    async fn reset(&self, to: &ResetTo, transaction: &mut dyn StoreTransaction) -> Result<AfterCommit, HandlerError>;

    /// Called when a page has been committed.
    fn committed(&self) {}
}

/// Handlers that run while no transaction is open.
#[async_trait]
pub(crate) trait External: Send + Sync {
    /// Handles `event`. Gives what is to be stored when it went well.
    async fn call(&self, event: &RecordedEvent, passage: &Passage) -> Result<Called, HandlerError>;

    /// Makes what the handlers write to.
    async fn make(&self) -> Result<(), HandlerError>;

    /// Removes what the handlers have written. An error where that is not possible.
    async fn empty(&self, to: &ResetTo) -> Result<(), HandlerError>;
}

/// What processors consist of, by their names.
pub(crate) type ProcessorParts = BTreeMap<String, Arc<[Arc<dyn EventComponent>]>>;

/// The events that `components` handle.
pub(crate) fn criteria(components: &[Arc<dyn EventComponent>]) -> Criteria {
    let names: BTreeSet<&'static str> =
        components.iter().flat_map(|component| component.events().iter().copied()).collect();
    Journal::named(&names.into_iter().collect::<Vec<_>>())
}

/// What one component does for one event in one sequence.
pub(crate) struct Step {
    /// Steps of one sequence are taken one after the other, in the order of their events. For every segment alike: no name.
    pub(crate) sequence: Option<Arc<str>>,
    /// The hash of the sequence's name.
    pub(crate) hash: u32,
    /// What the component has worked out already.
    pub(crate) work: Option<Box<dyn Any + Send>>,
}

impl Step {
    /// A step of the sequence with this name.
    pub(crate) fn of(sequence: impl Into<Arc<str>>) -> Self {
        let sequence = sequence.into();
        Self { hash: Segment::hash_of(&sequence), sequence: Some(sequence), work: None }
    }

    /// Keeps what was worked out for it.
    pub(crate) fn with(self, work: impl Any + Send) -> Self {
        Self { work: Some(Box::new(work)), ..self }
    }

    /// What was worked out for it.
    pub(crate) fn peek<T: 'static>(&self) -> Option<&T> {
        self.work.as_ref()?.downcast_ref()
    }

    /// Takes what was worked out for it.
    pub(crate) fn take<T: 'static>(&mut self) -> Option<T> {
        self.work.take()?.downcast::<T>().ok().map(|work| *work)
    }
}

/// A page of events on its way through a component. What is kept in memory is written by [`Batch::finish`].
#[async_trait]
pub(crate) trait Batch: Send {
    /// Loads at once what the steps of the page need, each given with its event.
    async fn prepare(
        &mut self,
        steps: &mut [(&RecordedEvent, &mut Step)],
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError>;

    /// Takes one step.
    async fn handle(
        &mut self,
        event: &RecordedEvent,
        step: Step,
        passage: &Passage,
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError>;

    /// Writes what is kept in memory.
    async fn finish(self: Box<Self>, transaction: &mut dyn StoreTransaction) -> Result<Finished, HandlerError>;
}

/// What a page leaves behind in a component.
#[derive(Default)]
pub(crate) struct Finished {
    /// What is to be done after the commit.
    pub(crate) after: AfterCommit,
    /// What the next page begins with, if this one is committed.
    pub(crate) memory: Option<Memory>,
}

impl From<AfterCommit> for Finished {
    fn from(after: AfterCommit) -> Self {
        Self { after, memory: None }
    }
}
