//! Runs event handlers that write rows of their own.

use std::sync::Arc;

use async_trait::async_trait;

use crate::handler::{AfterCommit, Context, HandlerError, Resources};
use crate::message::{Metadata, RecordedEvent};
use crate::store::{Journal, StoreTransaction};

use super::component::{Batch, EventComponent, Finished, Step};
use super::handlers::EventHandlers;
use super::idempotency::Receiver;
use super::kept::Carried;
use super::passage::{Passage, ResetTo};
use super::sequence::SequencingPolicy;
use super::side_effects::Outbox;

/// The event handlers of the component `H`.
pub(crate) struct HandlersComponent<H> {
    pub(crate) component: Arc<H>,
    pub(crate) journal: Journal,
    pub(crate) resources: Arc<Resources>,
}

#[async_trait]
impl<H: EventHandlers> EventComponent for HandlersComponent<H> {
    fn label(&self) -> &str {
        H::NAME
    }

    fn events(&self) -> &[&'static str] {
        H::EVENTS
    }

    async fn route(&self, event: &RecordedEvent, policy: &SequencingPolicy) -> Result<Vec<Step>, HandlerError> {
        Ok(vec![policy.step(event, self.journal.payloads())])
    }

    fn replays(&self, event: &str) -> bool {
        H::replays(event)
    }

    fn batch(&self, _: Carried) -> Box<dyn Batch + '_> {
        let outbox = Outbox::default();
        outbox.of(H::PROCESSOR);
        Box::new(OneByOne { component: self, after: AfterCommit::default(), outbox })
    }

    async fn setup(&self, transaction: &mut dyn StoreTransaction) -> Result<(), HandlerError> {
        let (metadata, after) = (Metadata::new(), AfterCommit::default());
        let context = Context::new(self.journal.now(), &metadata, &self.resources).with_later(after.later());
        match self.component.setup(&context, transaction) {
            Some(setup) => setup.await,
            None => Ok(()),
        }
    }

    async fn reset(&self, to: &ResetTo, transaction: &mut dyn StoreTransaction) -> Result<AfterCommit, HandlerError> {
        let (metadata, after) = (Metadata::new(), AfterCommit::default());
        let context = Context::new(self.journal.now(), &metadata, &self.resources);
        let context = context.with_later(after.later()).with_reset(to);
        match self.component.reset(&context, transaction) {
            Some(reset) => reset.await?,
            // What is never replayed has nothing to undo.
            None if H::EVENTS.iter().all(|event| !H::replays(event)) => {}
            None => return Err(HandlerError::new(format!("`{}` has no `#[reset]`", self.label()))),
        }
        Ok(after)
    }
}

/// Handlers with rows of their own keep nothing in memory.
struct OneByOne<'a, H> {
    component: &'a HandlersComponent<H>,
    after: AfterCommit,
    outbox: Outbox,
}

#[async_trait]
impl<H: EventHandlers> Batch for OneByOne<'_, H> {
    async fn prepare(
        &mut self,
        _: &mut [(&RecordedEvent, &mut Step)],
        _: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn handle(
        &mut self,
        event: &RecordedEvent,
        _: Step,
        passage: &Passage,
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError> {
        let HandlersComponent { component, journal, resources } = self.component;
        let receiver = Receiver { processor: H::PROCESSOR, component: self.component.label(), part: 0 };
        for (part, decoded) in journal.decode(event).await?.enumerate() {
            let context = Context::of_event(journal.now(), &event.recorded, resources)
                .with_passage(passage)
                .with_receiver(Receiver { part, ..receiver })
                .with_outbox(&self.outbox)
                .with_later(self.after.later());
            if H::EVENTS.contains(&decoded.name()) {
                component.handle(decoded, &context, transaction).await?;
            }
        }
        self.outbox.check()
    }

    async fn finish(self: Box<Self>, transaction: &mut dyn StoreTransaction) -> Result<Finished, HandlerError> {
        self.outbox.store(transaction, &self.after).await?;
        Ok(self.after.into())
    }
}
