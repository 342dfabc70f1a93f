//! Runs event handlers that write rows of their own.

use std::sync::Arc;

use async_trait::async_trait;

use crate::handler::{AfterCommit, Context, HandlerError, Resources};
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
        Box::new(OneByOne { component: self, after: AfterCommit::default() })
    }

    async fn setup(&self, transaction: &mut dyn StoreTransaction) -> Result<(), HandlerError> {
        let (metadata, after) = (Metadata::new(), AfterCommit::default());
        let context = Context::new(self.journal.now(), &metadata, &self.resources).with_later(after.later());
        match self.component.setup(&context, transaction) {
            Some(setup) => setup.await,
            None => Ok(()),
        }
    }

    async fn reset(&self, transaction: &mut dyn StoreTransaction) -> Result<AfterCommit, HandlerError> {
        let (metadata, after) = (Metadata::new(), AfterCommit::default());
        let context = Context::new(self.journal.now(), &metadata, &self.resources).with_later(after.later());
        match self.component.reset(&context, transaction) {
            Some(reset) => reset.await?,
            None => return Err(HandlerError::new(format!("`{}` has no `#[reset]`", self.label()))),
        }
        Ok(after)
    }
}

/// Handlers with rows of their own keep nothing in memory.
struct OneByOne<'a, H> {
    component: &'a HandlersComponent<H>,
    after: AfterCommit,
}

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
        let HandlersComponent { component, journal, resources } = self.component;
        let context = Context::new(journal.now(), event.recorded.metadata(), resources)
            .with_recorded(&event.recorded)
            .with_later(self.after.later());
        for part in journal.decode(event).await? {
            if H::EVENTS.contains(&part.name()) {
                component.handle(part, &context, transaction).await?;
            }
        }
        Ok(())
    }

    async fn finish(self: Box<Self>, _: &mut dyn StoreTransaction) -> Result<AfterCommit, HandlerError> {
        Ok(self.after)
    }
}
