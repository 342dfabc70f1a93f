//! Deadlines of sagas.

use std::sync::Arc;

use async_trait::async_trait;

use crate::deadline::DeadlineTarget;
use crate::handler::error::chain;
use crate::handler::{Context, Resources};
use crate::message::SagaId;
use crate::store::{Claim, Journal, StoreError, Timer};

use super::error::SagaError;
use super::handlers::SagaHandlers;
use super::handling::Handling;
use super::instance::{Happening, Runner, Waiting};
use super::instances::{load, write};
use super::monitor::SagaObserver;
use super::processor::Wake;

/// The timers of the saga `S`.
pub(crate) struct SagaTimers<S> {
    pub(crate) journal: Journal,
    pub(crate) resources: Arc<Resources>,
    pub(crate) handling: Arc<Handling<S>>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) observer: SagaObserver,
}

impl<S: SagaHandlers> SagaTimers<S> {
    async fn try_fire(&self, due: &[Timer], claim: &Claim) -> Result<(), SagaError> {
        let (journal, now) = (&self.journal, self.journal.now());
        let mut transaction = journal.store().begin().await?;
        transaction.guard(std::slice::from_ref(claim)).await?;
        let mut ids: Vec<SagaId> = due.iter().map(|timer| timer.saga_id).collect();
        ids.sort_unstable();
        ids.dedup();
        // In this order: whoever moves a timer meanwhile also changes its instance, and one of the two is too late.
        let mut instances = load::<S>(&mut *transaction, journal, &ids).await?;
        let there = transaction.timers(journal.tenant(), S::NAME, &ids).await?;
        let runner = Runner { handling: &*self.handling, payloads: journal.payloads(), tenant: journal.tenant() };
        let mut delays = Vec::new();
        for timer in due.iter().filter(|timer| there.contains(timer)) {
            let found = instances.get(timer.saga_id).filter(|instance| !instance.has_ended());
            let Some(instance) = found else { continue };
            // An earlier one may have moved it, or taken it back.
            if instance.has_changed_timer(&timer.name) {
                continue;
            }
            instance.fired(&timer.name);
            delays.push(now.since(timer.due));
            let waits = Waiting::Deadline { name: timer.name.clone() };
            let metadata = instance.metadata();
            let context = Context::new(now, &metadata, &self.resources);
            if instance.is_held_up() {
                instance.put_aside(&waits, None, now);
            } else if let Err(error) = instance.take(&Happening::Deadline(&timer.name), &context, runner, &metadata) {
                instance.put_aside(&waits, Some(chain(&error)), now);
            }
        }
        let tally = write(&mut *transaction, journal, instances.into_all()).await?;
        transaction.commit().await?;
        self.observer.fired(S::NAME, &delays);
        self.observer.report(S::NAME, &tally.unwrap_or_default());
        Ok(())
    }
}

#[async_trait]
impl<S: SagaHandlers> DeadlineTarget for SagaTimers<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    async fn fire(&self, due: &[Timer], claim: &Claim) -> Result<(), StoreError> {
        let fired = self.try_fire(due, claim).await;
        self.wake.effects.notify_one();
        fired.map_err(|error| match error {
            SagaError::Store(error) => error,
            error => StoreError::unavailable(error),
        })
    }

    async fn changed(&self) {
        self.wake.timers.notified().await;
    }
}
