//! Delivers the effects of a saga: at least once, under a fixed id, in order for each instance.

use std::collections::{HashMap, HashSet, VecDeque};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::command::{CommandBus, CommandError};
use crate::handler::error::chain;
use crate::handler::{Context, Resources};
use crate::message::{CommandId, SagaId, Timestamp};
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
/// How long the dispatcher sleeps when nothing wakes it, and after it was interrupted.
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

/// Effects that are under way.
#[derive(Default)]
struct UnderWay {
    /// One command for each target.
    running: FuturesUnordered<BoxFuture<'static, (Effect, Delivered)>>,
    /// Effects behind a running one for the same target, in the order in which they were committed.
    waiting: HashMap<String, VecDeque<Effect>>,
    /// Targets of running effects.
    busy: HashMap<CommandId, String>,
    /// Instances with an effect that runs or waits here.
    instances: HashSet<SagaId>,
}

impl<S: SagaHandlers> Dispatcher<S> {
    /// Runs until it is stopped, whenever this node holds the saga's claim.
    pub(crate) async fn run(self) {
        let this = Arc::new(self);
        let mut claims = this.claim.clone();
        while !this.stop.is_cancelled() {
            let claim = claims.borrow_and_update().clone();
            if let Some(claim) = claim
                && let Err(error) = this.deliver(&claim, &mut claims).await
            {
                tracing::warn!(saga = S::NAME, error = chain(&error), "effects could not be delivered");
            }
            tokio::select! {
                _ = claims.changed() => {}
                () = tokio::time::sleep(IDLE) => {}
                () = this.stop.cancelled() => {}
            }
        }
    }

    /// Delivers while the claim holds. A command that takes long holds up its own instance, and others for the same
    /// target, but nobody else.
    async fn deliver(
        self: &Arc<Self>,
        claim: &Claim,
        claims: &mut watch::Receiver<Option<Claim>>,
    ) -> Result<(), SagaError> {
        let mut under_way = UnderWay::default();
        while !self.stop.is_cancelled() {
            let next = self.start_due(&mut under_way).await?;
            tokio::select! {
                Some(first) = under_way.running.next() => {
                    let mut outcomes = vec![first];
                    // What has ended meanwhile shares the commit.
                    tokio::task::yield_now().await;
                    while let Some(Some(more)) = under_way.running.next().now_or_never() {
                        outcomes.push(more);
                    }
                    for (effect, _) in &outcomes {
                        self.ended(effect, &mut under_way);
                    }
                    self.settle(claim, outcomes).await?;
                }
                () = self.wake.effects.notified() => {}
                () = tokio::time::sleep(next) => {}
                _ = claims.changed() => return Ok(()),
                () = self.stop.cancelled() => {}
            }
        }
        // What is under way may end, and its outcome be written.
        let mut outcomes = Vec::new();
        while let Some(outcome) = under_way.running.next().await {
            outcomes.push(outcome);
        }
        self.settle(claim, outcomes).await
    }

    /// Starts what is due and not under way; returns how long until more is due.
    async fn start_due(self: &Arc<Self>, under_way: &mut UnderWay) -> Result<Duration, SagaError> {
        if under_way.instances.len() >= AT_ONCE {
            return Ok(IDLE);
        }
        let now = self.journal.now();
        let due = self.journal.store().due_effects(S::NAME, now, AT_ONCE + under_way.instances.len()).await?;
        for effect in due {
            if under_way.instances.insert(effect.saga_id) {
                let target = self.bus.target(&effect.name, &effect.payload);
                let lane = target.unwrap_or_else(|| effect.command.to_string());
                match under_way.waiting.get_mut(&lane) {
                    Some(waiting) => waiting.push_back(effect),
                    None => self.start(effect, lane, under_way),
                }
            }
        }
        let next = self.journal.store().next_effect(S::NAME).await?;
        // One that is due and under way is waited for anyway.
        let wait = next.map(|next| next.since(now)).filter(|wait| !wait.is_zero());
        Ok(wait.map_or(IDLE, |wait| wait.min(IDLE)))
    }

    /// Starts an effect; later ones for the same target wait behind it.
    fn start(self: &Arc<Self>, effect: Effect, lane: String, under_way: &mut UnderWay) {
        under_way.busy.insert(effect.command, lane.clone());
        under_way.waiting.entry(lane).or_default();
        let this = Arc::clone(self);
        under_way.running.push(Box::pin(async move {
            let delivered = this.send(&effect).await;
            (effect, delivered)
        }));
    }

    /// Makes way for the next effect for the same target.
    fn ended(self: &Arc<Self>, effect: &Effect, under_way: &mut UnderWay) {
        under_way.instances.remove(&effect.saga_id);
        let Some(lane) = under_way.busy.remove(&effect.command) else { return };
        match under_way.waiting.get_mut(&lane).and_then(VecDeque::pop_front) {
            Some(next) => self.start(next, lane, under_way),
            None => drop(under_way.waiting.remove(&lane)),
        }
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
        if outcomes.is_empty() {
            return Ok(());
        }
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
