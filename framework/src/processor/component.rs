//! What a processor runs: components that handle a page of events inside one transaction.

use async_trait::async_trait;

use crate::handler::{AfterCommit, HandlerError};
use crate::message::RecordedEvent;
use crate::store::StoreTransaction;

/// A set of handlers that a processor runs: event handlers, a view, or a saga.
#[async_trait]
pub(crate) trait EventComponent: Send + Sync {
    /// For the log.
    fn label(&self) -> &str;

    /// Names of the events that are handled.
    fn events(&self) -> &[&'static str];

    /// Begins a page.
    fn batch(&self) -> Box<dyn Batch + '_>;

    /// Makes what the handlers write to.
    async fn setup(&self, _transaction: &mut dyn StoreTransaction) -> Result<(), HandlerError> {
        Ok(())
    }

    /// Removes what the handlers have written. An error where that is not possible. Gives what is to be done after the
    /// commit.
    async fn reset(&self, transaction: &mut dyn StoreTransaction) -> Result<AfterCommit, HandlerError>;

    /// Called when a page has been committed.
    fn committed(&self) {}
}

/// A page of events on its way through a component. What is kept in memory is written by [`Batch::finish`].
#[async_trait]
pub(crate) trait Batch: Send {
    /// Loads at once what the events of the page need. An event that cannot be decoded is left for
    /// [`Batch::handle`] to report.
    async fn prepare(
        &mut self,
        events: &[&RecordedEvent],
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError>;

    /// Handles one event of the page.
    async fn handle(
        &mut self,
        event: &RecordedEvent,
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError>;

    /// Writes what is kept in memory. Gives what is to be done after the commit.
    async fn finish(self: Box<Self>, transaction: &mut dyn StoreTransaction) -> Result<AfterCommit, HandlerError>;
}
