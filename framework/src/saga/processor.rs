//! Brings events to the instances that they concern, a page at a time.
//!
//! Every segment sees every event, and brings it to the instances of its own share: so the events come to an instance in the
//! order of the store, whatever associations they find it by. An instance that is begun belongs to the segment of the
//! association that begins it, so of two events that begin the same only one does.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::handler::{AfterCommit, Context, HandlerError, Resources};
use crate::message::{RecordedEvent, SagaId};
use crate::processor::{Batch, Carried, EventComponent, Finished, Passage, ResetTo, SequencingPolicy, Step};
use crate::store::{Association, Journal, Segment, StoreTransaction};

use super::error::SagaError;
use super::handlers::{SagaHandlers, SagaInput};
use super::handling::Handling;
use super::instance::{Instance, Runner};
use super::instances::{Arrival, Instances, id_of, write};
use super::monitor::SagaObserver;

/// The saga `S` as a component of a processor.
pub(crate) struct SagaComponent<S> {
    pub(crate) journal: Journal,
    pub(crate) resources: Arc<Resources>,
    /// Raised when effects or timers may be new.
    pub(crate) wake: Arc<Wake>,
    pub(crate) handling: Arc<Handling<S>>,
    pub(crate) observer: SagaObserver,
}

/// What the parts of an event bring, each with its number.
type Inputs<S> = Vec<(u32, SagaInput<S>)>;

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

    async fn route(&self, event: &RecordedEvent, policy: &SequencingPolicy) -> Result<Vec<Step>, HandlerError> {
        let _ = policy;
        let inputs = self.inputs(event).await?;
        let concerns = !inputs.is_empty();
        let step = || SequencingPolicy::Broadcast.step(event, self.journal.payloads()).with(inputs);
        Ok(concerns.then(step).into_iter().collect())
    }

    fn segments(&self) -> Option<u32> {
        Some(1)
    }

    fn batch(&self, _: Carried) -> Box<dyn Batch + '_> {
        Box::new(SagaBatch {
            component: self,
            looked_up: BTreeSet::new(),
            looked_for: HashSet::new(),
            instances: Instances::default(),
        })
    }

    async fn reset(&self, _: &ResetTo, _: &mut dyn StoreTransaction) -> Result<AfterCommit, HandlerError> {
        Err(HandlerError::new("a saga is never replayed: its commands were sent"))
    }

    fn committed(&self) {
        self.wake.both();
    }
}

impl<S: SagaHandlers> SagaComponent<S> {
    async fn inputs(&self, event: &RecordedEvent) -> Result<Inputs<S>, HandlerError> {
        let inputs = async {
            let mut inputs = Vec::new();
            for part in self.journal.decode(event).await? {
                let number = part.part();
                inputs.extend(S::route(part, event.recorded.metadata())?.map(|input| (number, input)));
            }
            Ok(inputs)
        };
        inputs.await.map_err(|error: SagaError| match error {
            // The processor knows one that a newer program has written by it.
            SagaError::Event(error) => HandlerError::from(error),
            error => error.into(),
        })
    }
}

/// The instances that a page concerns, kept in memory until all its events are handled.
struct SagaBatch<'a, S> {
    component: &'a SagaComponent<S>,
    looked_up: BTreeSet<Association>,
    /// Instances that events of the page may have begun before.
    looked_for: HashSet<SagaId>,
    instances: Instances<S>,
}

impl<S: SagaHandlers> SagaBatch<'_, S> {
    /// Loads what `inputs` of events need that was not looked up yet: instances by associations, and those that the events
    /// have begun before.
    async fn look_up(
        &mut self,
        inputs: &[(&RecordedEvent, &Inputs<S>)],
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), SagaError> {
        let (mut missing, mut begun) = (Vec::new(), Vec::<SagaId>::new());
        for (event, inputs) in inputs {
            for (part, input) in *inputs {
                let new = input.associations.iter().filter(|association| !self.looked_up.contains(*association));
                missing.extend(new.cloned());
                if input.role.starts() {
                    begun.push(id_of::<S>(&event.recorded, *part));
                }
            }
        }
        missing.sort_unstable();
        missing.dedup();
        begun.retain(|id| self.looked_for.insert(*id));
        if missing.is_empty() && begun.is_empty() {
            return Ok(());
        }
        let journal = &self.component.journal;
        for row in transaction.find_sagas(journal.tenant(), S::NAME, &missing, &begun).await? {
            self.instances.add(Instance::load(row, journal.payloads())?);
        }
        self.looked_up.extend(missing);
        Ok(())
    }
}

#[async_trait]
impl<S: SagaHandlers> Batch for SagaBatch<'_, S> {
    async fn prepare(
        &mut self,
        steps: &mut [(&RecordedEvent, &mut Step)],
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError> {
        // Those for which nothing was worked out are looked up when their turn comes.
        let inputs: Vec<_> = steps.iter().filter_map(|(event, step)| Some((*event, step.peek()?))).collect();
        Ok(self.look_up(&inputs, transaction).await?)
    }

    async fn handle(
        &mut self,
        event: &RecordedEvent,
        mut step: Step,
        passage: &Passage,
        transaction: &mut dyn StoreTransaction,
    ) -> Result<(), HandlerError> {
        let SagaComponent { journal, resources, handling, .. } = self.component;
        let inputs = match step.take::<Inputs<S>>() {
            Some(inputs) => inputs,
            None => self.component.inputs(event).await?,
        };
        self.look_up(&[(event, &inputs)], transaction).await?;
        let context = Context::new(journal.now(), event.recorded.metadata(), resources)
            .with_recorded(&event.recorded)
            .with_passage(passage);
        let arrival = Arrival {
            context: &context,
            recorded: &event.recorded,
            segment: passage.segment.unwrap_or(Segment::WHOLE),
            again: passage.attempt.is_retry(),
        };
        let runner = Runner { handling: &**handling, payloads: journal.payloads(), tenant: journal.tenant() };
        for (part, input) in &inputs {
            self.instances.deliver(input, *part, &arrival, runner);
        }
        Ok(())
    }

    async fn finish(self: Box<Self>, transaction: &mut dyn StoreTransaction) -> Result<Finished, HandlerError> {
        let finished = Finished::default();
        let tally = write(transaction, &self.component.journal, self.instances.into_all()).await?;
        let observer = &self.component.observer;
        if let Some(tally) = tally.filter(|_| observer.is_there()) {
            let observer = observer.clone();
            finished.after.later().push(move || observer.report(S::NAME, &tally));
        }
        Ok(finished)
    }
}
