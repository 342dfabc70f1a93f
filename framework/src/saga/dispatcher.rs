//! Delivers the effects of a saga: at least once, under a fixed id, in order for each instance.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::command::{CommandBus, CommandError};
use crate::handler::error::chain;
use crate::handler::{Context, Resources};
use crate::message::Timestamp;
use crate::store::{Claim, Effect, Journal, SagaWrite, StoreError};

use super::error::SagaError;
use super::handlers::SagaHandlers;
use super::instance::Instance;
use super::processor::Wake;

/// Effects that are under way at the same time.
const AT_ONCE: usize = 256;
/// How often an effect that failed for a technical reason is tried before it is parked.
const ATTEMPTS: u32 = 12;
/// The first and the longest pause between attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(30));
/// How long the dispatcher sleeps when nothing wakes it, and after the store failed.
const IDLE: Duration = Duration::from_secs(1);

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

/// What came of one attempt at an effect.
enum Delivered {
    Accepted,
    Rejected(Vec<u8>),
    /// Try again, or give up if it is permanent.
    Failed {
        reason: String,
        permanent: bool,
    },
}

impl<S: SagaHandlers> Dispatcher<S> {
    /// Runs until it is stopped, whenever this node holds the saga's claim.
    pub(crate) async fn run(mut self) {
        while !self.stop.is_cancelled() {
            let claim = self.claim.borrow_and_update().clone();
            let wait = match claim {
                None => IDLE,
                Some(claim) => match self.deliver(&claim).await {
                    Ok(wait) => wait,
                    Err(error) => {
                        tracing::warn!(saga = S::NAME, error = chain(&error), "effects could not be delivered");
                        IDLE
                    }
                },
            };
            if wait.is_zero() {
                continue;
            }
            tokio::select! {
                () = self.wake.effects.notified() => {}
                _ = self.claim.changed() => {}
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// Delivers what is due; returns how long until more is due.
    async fn deliver(&self, claim: &Claim) -> Result<Duration, SagaError> {
        let now = self.journal.now();
        let due = self.journal.store().due_effects(S::NAME, now, AT_ONCE).await?;
        if due.is_empty() {
            let next = self.journal.store().next_effect(S::NAME).await?;
            return Ok(next.map_or(IDLE, |next| next.since(now).clamp(Duration::from_millis(1), IDLE)));
        }
        // Effects for the same target go one after the other, in the order in which they were committed.
        let mut lanes: BTreeMap<(String, Option<String>), Vec<Effect>> = BTreeMap::new();
        for effect in due {
            let target = self.bus.target(&effect.name, &effect.payload);
            let lane = match target {
                Some(target) => (String::new(), Some(target)),
                None => (effect.command.to_string(), None),
            };
            lanes.entry(lane).or_default().push(effect);
        }
        let outcomes = join_all(lanes.into_values().map(|lane| self.send_in_order(lane))).await;
        let outcomes = outcomes.into_iter().flatten().collect();
        self.settle(claim, outcomes).await?;
        Ok(Duration::ZERO)
    }

    async fn send_in_order(&self, lane: Vec<Effect>) -> Vec<(Effect, Delivered)> {
        let mut outcomes = Vec::with_capacity(lane.len());
        for effect in lane {
            let delivered = self.send(&effect).await;
            outcomes.push((effect, delivered));
        }
        outcomes
    }

    async fn send(&self, effect: &Effect) -> Delivered {
        let mut message = match self.bus.read(&effect.name, &effect.payload) {
            Ok(message) => message,
            Err(failure) => return Delivered::Failed { reason: chain(&failure), permanent: true },
        };
        message.id = effect.command;
        message.recorded = true;
        message.metadata = effect.metadata.clone();
        match self.bus.dispatch(message).await {
            Ok(_) => Delivered::Accepted,
            Err(CommandError::Rejected(rejection)) => match rejection.encode(self.bus.payloads()) {
                Ok(error) => Delivered::Rejected(error),
                Err(error) => Delivered::Failed { reason: error.to_string(), permanent: true },
            },
            Err(CommandError::Failed(failure)) => {
                Delivered::Failed { reason: chain(&failure), permanent: !failure.is_transient() }
            }
        }
    }

    /// Writes all outcomes in one transaction. A saga that cannot handle its outcome parks the effect.
    async fn settle(&self, claim: &Claim, outcomes: Vec<(Effect, Delivered)>) -> Result<(), SagaError> {
        let now = self.journal.now();
        let mut transaction = self.journal.store().begin().await?;
        transaction.guard(claim).await?;
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
                outcome => match transaction.saga(S::NAME, effect.saga_id).await? {
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
            transaction.finish_effects(&done).await?;
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
        Ok(Some(instance.into_write(now, payloads)?))
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
        transaction.postpone_effect(effect.command, attempts, next).await
    }
}

/// The pause after the failed attempt number `attempt`; `None` when it was the last.
fn pause(attempt: u32) -> Option<Duration> {
    if attempt >= ATTEMPTS {
        return None;
    }
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(PAUSES.0)
        .with_max_delay(PAUSES.1)
        .without_max_times()
        .build()
        .nth(attempt.saturating_sub(1) as usize)
}
