//! Runs event handlers that write rows of their own.

use std::sync::Arc;

use async_trait::async_trait;

use crate::handler::{Context, HandlerError, Resources};
use crate::message::{Metadata, RecordedEvent};
use crate::store::{Journal, StoreTransaction};

use super::component::{Batch, EventComponent};
use super::handlers::EventHandlers;

/// The event handlers of the component `H`.
pub(crate) struct HandlersComponent<H> {
    pub(crate) component: Arc<H>,
    pub(crate) journal: Journal,
    pub(crate) resources: Arc<Resources>,
}

#[async_trait]
impl<H: EventHandlers> EventComponent for HandlersComponent<H> {
    fn label(&self) -> &str {
        std::any::type_name::<H>()
    }

    fn events(&self) -> &[&'static str] {
        H::EVENTS
    }

    fn batch(&self) -> Box<dyn Batch + '_> {
        Box::new(OneByOne(self))
    }

    async fn setup(&self, transaction: &mut dyn StoreTransaction) -> Result<(), HandlerError> {
        let metadata = Metadata::new();
        let context = Context::new(self.journal.now(), &metadata, &self.resources);
        match self.component.setup(&context, transaction) {
            Some(setup) => setup.await,
            None => Ok(()),
        }
    }

    async fn reset(&self, transaction: &mut dyn StoreTransaction) -> Result<(), HandlerError> {
        let metadata = Metadata::new();
        let context = Context::new(self.journal.now(), &metadata, &self.resources);
        match self.component.reset(&context, transaction) {
            Some(reset) => reset.await,
            None => Err(HandlerError::new(format!("`{}` has no `#[reset]`", self.label()))),
        }
    }
}

/// Handlers with rows of their own keep nothing in memory.
struct OneByOne<'a, H>(&'a HandlersComponent<H>);

#[async_trait]
impl<H: EventHandlers> Batch for OneByOne<'_, H> {
    async fn prepare(&mut self, _: &[&RecordedEvent], _: &mut dyn StoreTransaction) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn handle(
        &mut self,
        event: &RecordedEvent,
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError> {
        let HandlersComponent { component, journal, resources } = self.0;
        let decode = journal.decode(event)?;
        if !H::EVENTS.contains(&decode.name()) {
            return Ok(());
        }
        let context = Context::new(journal.now(), event.recorded.metadata(), resources).with_recorded(&event.recorded);
        component.handle(decode, &context, transaction).await
    }

    async fn finish(self: Box<Self>, _: &mut dyn StoreTransaction) -> Result<(), HandlerError> {
        Ok(())
    }
}
