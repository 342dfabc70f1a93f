//! Brings events to the instances that they concern, a page at a time.

use std::collections::{BTreeSet, HashMap};
use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::handler::{AfterCommit, Context, HandlerError, Resources};
use crate::message::{RecordedEvent, SagaId};
use crate::processor::{Batch, Carried, EventComponent, Finished, Passage, ResetTo, SequencingPolicy, Step};
use crate::store::{Association, Journal, StoreTransaction};

use super::error::SagaError;
use super::handlers::{SagaHandlers, SagaInput};
use super::instance::{Instance, deliver};

/// The saga `S` as a component of a processor.
pub(crate) struct SagaComponent<S> {
    pub(crate) journal: Journal,
    pub(crate) resources: Arc<Resources>,
    /// Raised when effects or timers may be new.
    pub(crate) wake: Arc<Wake>,
    pub(crate) saga: PhantomData<fn() -> S>,
}

/// Raised when the dispatcher or the timers of a saga have something to look at.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    pub(crate) effects: Notify,
    pub(crate) timers: Notify,
}

impl Wake {
    pub(crate) fn both(&self) {
        self.effects.notify_one();
        self.timers.notify_one();
    }
}

#[async_trait]
impl<S: SagaHandlers> EventComponent for SagaComponent<S> {
    fn label(&self) -> &str {
        S::NAME
    }

    fn events(&self) -> &[&'static str] {
        S::EVENTS
    }

    async fn route(&self, event: &RecordedEvent, _: &SequencingPolicy) -> Result<Vec<Step>, HandlerError> {
        Ok(vec![SequencingPolicy::Stream.step(event, self.journal.payloads())])
    }

    fn divides(&self) -> bool {
        false
    }

    fn batch(&self, _: Carried) -> Box<dyn Batch + '_> {
        Box::new(SagaBatch { component: self, looked_up: BTreeSet::new(), instances: Vec::new() })
    }

    async fn reset(&self, _: &ResetTo, _: &mut dyn StoreTransaction) -> Result<AfterCommit, HandlerError> {
        Err(HandlerError::new("a saga is never replayed: its commands were sent"))
    }

    fn committed(&self) {
        self.wake.both();
    }
}

/// The instances that a page concerns, kept in memory until all its events are handled.
struct SagaBatch<'a, S> {
    component: &'a SagaComponent<S>,
    looked_up: BTreeSet<Association>,
    instances: Vec<Instance<S>>,
}

impl<S: SagaHandlers> SagaBatch<'_, S> {
    /// What the parts of `event` bring, each with its number.
    async fn inputs(&self, event: &RecordedEvent) -> Result<Vec<(u32, SagaInput<S>)>, SagaError> {
        let mut inputs = Vec::new();
        for part in self.component.journal.decode(event).await? {
            let number = part.part();
            inputs.extend(S::route(part)?.map(|input| (number, input)));
        }
        Ok(inputs)
    }

    /// Loads the instances of associations that were not looked up yet.
    async fn look_up(
        &mut self,
        wanted: BTreeSet<Association>,
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), SagaError> {
        let missing: Vec<Association> = wanted.difference(&self.looked_up).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let known: HashMap<SagaId, ()> = self.instances.iter().map(|instance| (instance.id(), ())).collect();
        for row in transaction.find_sagas(self.component.journal.tenant(), S::NAME, &missing).await? {
            if !known.contains_key(&row.id) {
                self.instances.push(Instance::load(row, self.component.journal.payloads())?);
            }
        }
        self.looked_up.extend(missing);
        Ok(())
    }
}

#[async_trait]
impl<S: SagaHandlers> Batch for SagaBatch<'_, S> {
    async fn prepare(
        &mut self,
        steps: &[(&RecordedEvent, &str)],
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError> {
        // An event that cannot be decoded is reported when its turn comes.
        let mut wanted = BTreeSet::new();
        for (event, _) in steps {
            let inputs = self.inputs(event).await.unwrap_or_default();
            wanted.extend(inputs.into_iter().map(|(_, input)| input.association));
        }
        Ok(self.look_up(wanted, transaction).await?)
    }

    async fn handle(
        &mut self,
        event: &RecordedEvent,
        _: Step,
        passage: &Passage,
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError> {
        let SagaComponent { journal, resources, .. } = self.component;
        let context = Context::new(journal.now(), event.recorded.metadata(), resources)
            .with_recorded(&event.recorded)
            .with_passage(passage);
        let inputs = self.inputs(event).await.map_err(|error| match error {
            // The processor knows one that a newer program has written by it.
            SagaError::Event(error) => HandlerError::from(error),
            error => error.into(),
        })?;
        for (part, input) in inputs {
            self.look_up(BTreeSet::from([input.association.clone()]), transaction).await?;
            deliver(&mut self.instances, &input, part, &context, journal.payloads(), &event.recorded)?;
        }
        Ok(())
    }

    async fn finish(self: Box<Self>, transaction: &mut dyn StoreTransaction) -> Result<Finished, HandlerError> {
        let journal = &self.component.journal;
        let now = journal.now();
        let changed = self.instances.into_iter().filter(Instance::has_changed);
        let writes = changed
            .map(|instance| instance.into_write(journal.tenant(), now, journal.payloads()))
            .collect::<Result<Vec<_>, _>>()?;
        if !writes.is_empty() {
            transaction.write_sagas(writes).await?;
        }
        Ok(Finished::default())
    }
}
