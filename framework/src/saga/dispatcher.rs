//! Delivers the effects of a saga: at least once, under a fixed id, in order for each instance.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::command::CommandBus;
use crate::command::delivery::{AT_ONCE, Delivered, Outcomes, UnderWay, pause};
use crate::handler::error::chain;
use crate::handler::{Context, Resources};
use crate::message::Timestamp;
use crate::store::{Claim, Effect, Journal, SagaWrite, StoreError};

use super::error::SagaError;
use super::handlers::SagaHandlers;
use super::instance::Instance;
use super::processor::Wake;

/// How long the dispatcher sleeps when nothing wakes it, and after the store failed.
const IDLE: Duration = Duration::from_secs(1);
/// How long it sleeps while commands are under way that nobody has answered.
const BUSY: Duration = Duration::from_millis(100);
/// How long a shut-down waits for commands that are under way. They are sent again after the next start.
const GRACE: Duration = Duration::from_secs(1);

/// Sends the commands of the saga `S` and brings their outcomes back.
pub(crate) struct Dispatcher<S> {
    pub(crate) journal: Journal,
    pub(crate) resources: Arc<Resources>,
    pub(crate) bus: Arc<CommandBus>,
    pub(crate) claim: watch::Receiver<Option<Claim>>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) stop: CancellationToken,
    pub(crate) saga: PhantomData<fn() -> S>,
}

impl<S: SagaHandlers> Dispatcher<S> {
    /// Runs until it is stopped, whenever this node holds the saga's claim.
    pub(crate) async fn run(mut self) {
        let mut under_way = UnderWay::default();
        while !self.stop.is_cancelled() {
            let claim = self.claim.borrow_and_update().clone();
            let wait = match claim {
                None => IDLE,
                Some(_) => self.start_due(&mut under_way).await.unwrap_or_else(|error| {
                    tracing::warn!(saga = S::NAME, error = chain(&error), "effects could not be read");
                    IDLE
                }),
            };
            tokio::select! {
                Some(outcomes) = under_way.answered() => self.take_home(outcomes).await,
                () = self.wake.effects.notified() => {}
                _ = self.claim.changed() => {}
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => {}
            }
        }
        let last = async {
            while let Some(outcomes) = under_way.answered().await {
                self.take_home(outcomes).await;
            }
        };
        let _ = tokio::time::timeout(GRACE, last).await;
    }

    /// Sends what is due; returns how long until more is due.
    async fn start_due(&self, under_way: &mut UnderWay) -> Result<Duration, SagaError> {
        if under_way.effects >= AT_ONCE {
            return Ok(IDLE);
        }
        let now = self.journal.now();
        let mut limit = AT_ONCE + under_way.effects;
        loop {
            let due = self.journal.store().due_effects(self.journal.tenant(), S::NAME, now, limit).await?;
            let all = due.len() < limit;
            let mut lifted = Vec::with_capacity(due.len());
            for effect in due {
                match self.bus.lifted(effect) {
                    Ok(effect) => lifted.push(effect),
                    Err(failed) => self.park(&failed.0, chain(&failed.1)).await?,
                }
            }
            if under_way.start_free(lifted, &self.bus) || all {
                break;
            }
            // Nothing but effects for busy targets: free ones may stand behind them.
            limit *= 4;
        }
        let shortest = if under_way.effects > 0 { BUSY } else { Duration::from_millis(1) };
        let next = self.journal.store().next_effect(self.journal.tenant(), S::NAME).await?;
        Ok(next.map_or(IDLE, |next| next.since(now).clamp(shortest, IDLE)))
    }

    /// Brings outcomes back to their instances. Those that cannot be written are forgotten: their commands are sent
    /// again, and answered as before.
    async fn take_home(&self, outcomes: Outcomes) {
        let Some(claim) = self.claim.borrow().clone() else { return };
        if let Err(error) = self.settle(&claim, outcomes).await {
            tracing::warn!(saga = S::NAME, error = chain(&error), "outcomes of effects could not be written");
            let _ = tokio::time::timeout(BUSY, self.stop.cancelled()).await;
        }
    }

    /// Writes all outcomes in one transaction. A saga that cannot handle its outcome parks the effect.
    async fn settle(&self, claim: &Claim, outcomes: Outcomes) -> Result<(), SagaError> {
        let now = self.journal.now();
        let mut transaction = self.journal.store().begin().await?;
        transaction.guard(std::slice::from_ref(claim)).await?;
        let mut done = Vec::new();
        let mut writes: Vec<SagaWrite> = Vec::new();
        for (effect, delivered) in outcomes {
            let handled = match delivered {
                Delivered::Accepted if effect.step.is_none() => Ok(None),
                Delivered::Failed { reason, permanent } => {
                    let attempts = effect.attempts + 1;
                    let next = pause(attempts).filter(|_| !permanent).map(|pause| now.plus(pause)).ok_or(reason);
                    self.postpone(&mut *transaction, &effect, attempts, next).await?;
                    continue;
                }
                outcome => match transaction.saga(&effect.tenant, S::NAME, effect.saga_id).await? {
                    Some(row) if !row.ended => self.bring_back(row, &effect, &outcome),
                    _ => {
                        tracing::debug!(saga = S::NAME, command = effect.name, "an outcome came after the saga's end");
                        Ok(None)
                    }
                },
            };
            match handled {
                Ok(write) => {
                    writes.extend(write);
                    done.push(effect.command);
                }
                Err(error) => {
                    let reason = chain(&error);
                    self.postpone(&mut *transaction, &effect, effect.attempts + 1, Err(reason)).await?;
                }
            }
        }
        let woken = !writes.is_empty();
        if woken {
            transaction.write_sagas(writes).await?;
        }
        if !done.is_empty() {
            transaction.finish_effects(self.journal.tenant(), &done).await?;
        }
        transaction.commit().await?;
        if woken {
            self.wake.timers.notify_one();
        }
        Ok(())
    }

    /// Tells the instance what came of its command.
    fn bring_back(
        &self,
        row: crate::store::SagaRow,
        effect: &Effect,
        outcome: &Delivered,
    ) -> Result<Option<SagaWrite>, SagaError> {
        let payloads = self.journal.payloads();
        let now = self.journal.now();
        let caused = effect.metadata.caused_by_command(effect.command);
        let mut instance = Instance::<S>::load(row, payloads)?;
        match outcome {
            Delivered::Rejected(error) => {
                let context = Context::new(now, &effect.metadata, &self.resources);
                instance.on_rejected(effect, error, &context, payloads, &caused)?;
            }
            _ => instance.on_accepted(now, payloads, &caused)?,
        }
        Ok(Some(instance.into_write(&effect.tenant, now, payloads)?))
    }

    /// Gives up an effect that cannot be read.
    async fn park(&self, effect: &Effect, reason: String) -> Result<(), SagaError> {
        let Some(claim) = self.claim.borrow().clone() else { return Ok(()) };
        let mut transaction = self.journal.store().begin().await?;
        transaction.guard(&[claim]).await?;
        self.postpone(&mut *transaction, effect, effect.attempts + 1, Err(reason)).await?;
        Ok(transaction.commit().await?)
    }

    async fn postpone(
        &self,
        transaction: &mut dyn crate::store::StoreTransaction,
        effect: &Effect,
        attempts: u32,
        next: Result<Timestamp, String>,
    ) -> Result<(), StoreError> {
        if let Err(reason) = &next {
            tracing::error!(
                saga = S::NAME, instance = %effect.saga_id, command = effect.name, reason,
                "a saga needs attention: its command is parked"
            );
        }
        transaction.postpone_effect(&effect.tenant, effect.command, attempts, next).await?;
        Ok(())
    }
}
