//! Delivers the effects of a saga: at least once, under a fixed id, in order for each instance.

use std::collections::{BTreeMap, HashSet};
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::command::{CommandBus, CommandError};
use crate::handler::error::chain;
use crate::handler::{Context, Resources, panic_message};
use crate::message::{CommandId, Timestamp};
use crate::store::{Claim, Effect, Journal, SagaWrite, StoreError};

use super::error::SagaError;
use super::handlers::SagaHandlers;
use super::instance::Instance;
use super::processor::Wake;

/// Effects that are under way at the same time.
const AT_ONCE: usize = 256;
/// Effects for one target that are sent before their outcomes are written.
const IN_A_ROW: usize = 16;
/// How often an effect that failed for a technical reason is tried before it is parked.
const ATTEMPTS: u32 = 12;
/// How long a command may take. It is then sent again under the same id, so that it still has one effect.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The first and the longest pause between attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(30));
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

/// Effects for the same target go one after the other, in the order in which they were committed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Lane {
    Target(String),
    Alone(CommandId),
}

type Outcomes = Vec<(Effect, Delivered)>;

/// Commands that are under way. One that is never answered holds up its lane and nothing else.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<(Lane, usize, Outcomes)>,
    lanes: HashSet<Lane>,
    effects: usize,
}

impl UnderWay {
    fn start(&mut self, lane: Lane, effects: Vec<Effect>, bus: &Arc<CommandBus>) {
        self.effects += effects.len();
        self.lanes.insert(lane.clone());
        let bus = Arc::clone(bus);
        let started = effects.len();
        self.tasks.spawn(async move { (lane, started, send_in_order(&bus, effects).await) });
    }

    /// The outcomes of the next lane that has been answered, and of those that were answered with it; `None` when
    /// nothing is under way.
    async fn answered(&mut self) -> Option<Outcomes> {
        let first = self.tasks.join_next().await?;
        let mut outcomes = self.end(first);
        while let Some(more) = self.tasks.try_join_next() {
            outcomes.extend(self.end(more));
        }
        Some(outcomes)
    }

    fn end(&mut self, joined: Result<(Lane, usize, Outcomes), JoinError>) -> Outcomes {
        // A task ends in an error only when it is aborted, and then nobody asks any more.
        let Ok((lane, started, outcomes)) = joined else { return Vec::new() };
        self.lanes.remove(&lane);
        self.effects -= started;
        outcomes
    }
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
        let mut lanes: BTreeMap<Lane, Vec<Effect>> = BTreeMap::new();
        let mut limit = AT_ONCE + under_way.effects;
        loop {
            let due = self.journal.store().due_effects(self.journal.tenant(), S::NAME, now, limit).await?;
            let all = due.len() < limit;
            for effect in due {
                let target = self.bus.target(&effect.name, &effect.payload);
                let lane = target.map_or(Lane::Alone(effect.command), Lane::Target);
                // What is under way stands in a busy lane too.
                if !under_way.lanes.contains(&lane) {
                    let effects = lanes.entry(lane).or_default();
                    if effects.len() < IN_A_ROW {
                        effects.push(effect);
                    }
                }
            }
            if all || !lanes.is_empty() {
                break;
            }
            // Nothing but effects for busy targets: free ones may stand behind them.
            limit *= 4;
        }
        for (lane, effects) in lanes {
            under_way.start(lane, effects, &self.bus);
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
        transaction.postpone_effect(&effect.tenant, effect.command, attempts, next).await
    }
}

/// Sends effects for one target, up to the first that is not answered: those behind it keep their place.
async fn send_in_order(bus: &CommandBus, effects: Vec<Effect>) -> Outcomes {
    let mut outcomes = Vec::with_capacity(effects.len());
    for effect in effects {
        let delivered = AssertUnwindSafe(send(bus, &effect)).catch_unwind().await;
        let delivered = delivered.unwrap_or_else(|panic| Delivered::Failed {
            reason: format!("a panic in reading the command: {}", panic_message(&*panic)),
            permanent: true,
        });
        let unanswered = matches!(delivered, Delivered::Failed { permanent: false, .. });
        outcomes.push((effect, delivered));
        if unanswered {
            break;
        }
    }
    outcomes
}

async fn send(bus: &CommandBus, effect: &Effect) -> Delivered {
    let mut message = match bus.read(&effect.name, &effect.payload) {
        Ok(message) => message,
        Err(failure) => return Delivered::Failed { reason: chain(&failure), permanent: true },
    };
    message.id = effect.command;
    message.recorded = true;
    message.metadata = effect.metadata.clone();
    let Ok(answered) = tokio::time::timeout(ANSWER_WITHIN, bus.dispatch(message)).await else {
        return Delivered::Failed { reason: format!("no answer within {ANSWER_WITHIN:?}"), permanent: false };
    };
    match answered {
        Ok(_) => Delivered::Accepted,
        Err(CommandError::Rejected(rejection)) => match rejection.encode(bus.payloads()) {
            Ok(error) => Delivered::Rejected(error),
            Err(error) => Delivered::Failed { reason: error.to_string(), permanent: true },
        },
        Err(CommandError::Failed(failure)) => {
            Delivered::Failed { reason: chain(&failure), permanent: !failure.is_transient() }
        }
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
