//! Event handlers that write to other systems, outside of any transaction.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use crate::handler::{AfterCommit, Context, HandlerError, Requirement, Resources};
use crate::message::{Decode, Metadata, RecordedEvent};
use crate::store::{Journal, StoreTransaction};

use super::component::{Batch, EventComponent, External, Finished, Step};
use super::idempotency::Receiver;
use super::kept::Carried;
use super::passage::{Passage, ResetTo};
use super::sequence::SequencingPolicy;
use super::side_effects::Outbox;

/// Handles events outside of transactions, at least once. `#[event_handlers(external)]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no handlers of other systems",
    note = "add an `impl {Self}` block with `#[event_handlers(processor = \"..\", external)]`"
)]
pub trait ExternalHandlers: Send + Sync + Sized + 'static {
    /// The processor that runs the handlers. Components that name the same processor share its token; all of them are external.
    const PROCESSOR: &'static str;
    /// Names of the events that are handled.
    const EVENTS: &'static [&'static str];
    /// What the component is called in dead letters and [idempotency keys](super::IdempotencyKey): a stored name, which no other
    /// component of the processor has. Default: the processor's.
    const NAME: &'static str = Self::PROCESSOR;

    /// Handles `event`. After an error it is tried again, then parked. It may be handled again although it went well, where the
    /// program ends before that is written down.
    fn handle<'a>(&'a self, event: Decode<'a>, context: &'a Context<'a>) -> BoxFuture<'a, Result<(), HandlerError>>;

    /// Whether a replay hands over events with this name; those that were there before the processor first ran come in any
    /// case. Default: all.
    #[must_use]
    fn replays(_event: &str) -> bool {
        true
    }

    /// Makes what the handlers write to. It runs at every start, so it must leave what is there. `None` where there is no
    /// `#[setup]`.
    fn setup<'a>(&'a self, _context: &'a Context<'a>) -> Option<BoxFuture<'a, Result<(), HandlerError>>> {
        None
    }

    /// Removes what the handlers have written, before a replay. `None` where there is no `#[reset]`: then the
    /// processor cannot be replayed.
    fn reset<'a>(&'a self, _context: &'a Context<'a>) -> Option<BoxFuture<'a, Result<(), HandlerError>>> {
        None
    }

    /// What the parameters of the handlers need.
    fn requirements() -> Vec<Requirement> {
        Vec::new()
    }
}

/// The external handlers of the component `H`.
pub(crate) struct ExternalComponent<H> {
    pub(crate) component: Arc<H>,
    pub(crate) journal: Journal,
    pub(crate) resources: Arc<Resources>,
}

#[async_trait]
impl<H: ExternalHandlers> EventComponent for ExternalComponent<H> {
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
        Box::new(Calls { component: self, called: Vec::new() })
    }

    fn external(&self) -> Option<&dyn External> {
        Some(self)
    }

    async fn reset(&self, _: &ResetTo, _: &mut dyn StoreTransaction) -> Result<AfterCommit, HandlerError> {
        Ok(AfterCommit::default())
    }
}

#[async_trait]
impl<H: ExternalHandlers> External for ExternalComponent<H> {
    async fn call(&self, event: &RecordedEvent, passage: &Passage) -> Result<Called, HandlerError> {
        let called = Called::default();
        called.outbox.of(H::PROCESSOR);
        let receiver = Receiver { processor: H::PROCESSOR, component: self.label(), part: 0 };
        for (part, decoded) in self.journal.decode(event).await?.enumerate() {
            let context = Context::of_event(self.journal.now(), &event.recorded, &self.resources)
                .with_passage(passage)
                .with_receiver(Receiver { part, ..receiver })
                .with_outbox(&called.outbox)
                .with_later(called.after.later());
            if H::EVENTS.contains(&decoded.name()) {
                self.component.handle(decoded, &context).await?;
            }
        }
        called.outbox.check()?;
        Ok(called)
    }

    async fn make(&self) -> Result<(), HandlerError> {
        let metadata = Metadata::new();
        let context = Context::new(self.journal.now(), &metadata, &self.resources);
        match self.component.setup(&context) {
            Some(setup) => setup.await,
            None => Ok(()),
        }
    }

    async fn empty(&self, to: &ResetTo) -> Result<(), HandlerError> {
        let metadata = Metadata::new();
        let context = Context::new(self.journal.now(), &metadata, &self.resources).with_reset(to);
        match self.component.reset(&context) {
            Some(reset) => reset.await,
            // What is never replayed has nothing to undo.
            None if H::EVENTS.iter().all(|event| !H::replays(event)) => Ok(()),
            None => Err(HandlerError::new(format!("`{}` has no `#[reset]`", self.label()))),
        }
    }
}

/// What an external handler leaves to be stored, and to be done when that is committed.
#[derive(Default)]
pub(crate) struct Called {
    outbox: Outbox,
    after: AfterCommit,
}

impl Called {
    /// Stores it. Gives what is to be done after the commit.
    pub(crate) async fn store(self, transaction: &mut dyn StoreTransaction) -> Result<AfterCommit, HandlerError> {
        self.outbox.store(transaction, &self.after).await?;
        Ok(self.after)
    }
}

/// Calls of a page.
struct Calls<'a, H> {
    component: &'a ExternalComponent<H>,
    called: Vec<Called>,
}

#[async_trait]
impl<H: ExternalHandlers> Batch for Calls<'_, H> {
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
        _: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError> {
        self.called.push(self.component.call(event, passage).await?);
        Ok(())
    }

    async fn finish(self: Box<Self>, transaction: &mut dyn StoreTransaction) -> Result<Finished, HandlerError> {
        let after = AfterCommit::default();
        for called in self.called {
            after.join(called.store(transaction).await?);
        }
        Ok(after.into())
    }
}
