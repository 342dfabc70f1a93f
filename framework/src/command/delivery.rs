//! Delivers what was stored to be sent: at least once, under a fixed id, what goes to one target in order.

use std::collections::{BTreeMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::FutureExt;
use tokio::task::{JoinError, JoinSet};

use crate::handler::error::chain;
use crate::handler::panic_message;
use crate::message::{CommandId, EventId, Name};
use crate::store::{Append, Effect, EffectKind, Journal, NewEvent};

use super::bus::CommandBus;
use super::error::CommandError;

/// Effects that are under way at the same time.
pub(crate) const AT_ONCE: usize = 256;
/// Effects for one target that are sent before their outcomes are written.
const IN_A_ROW: usize = 16;
/// How often an effect that failed for a technical reason is tried before it is parked.
const ATTEMPTS: u32 = 12;
/// How long a command may take. It is then sent again under the same id, so that it still has one effect.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The first and the longest pause between attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(30));

/// What came of one attempt at an effect.
pub(crate) enum Delivered {
    /// The reply, encoded; empty where there is none.
    Accepted(Vec<u8>),
    Rejected(Vec<u8>),
    /// Try again, or give up if it is permanent.
    Failed {
        reason: String,
        permanent: bool,
    },
}

impl Delivered {
    pub(crate) fn permanent(reason: String) -> Self {
        Self::Failed { reason, permanent: true }
    }
}

/// Has effects happen.
#[async_trait]
pub(crate) trait Deliver: Send + Sync + 'static {
    /// Where it goes: what goes to one place goes in order. `None` where that does not matter.
    fn target(&self, effect: &Effect) -> Option<String>;

    /// Has it happen. It may have happened before: then nothing happens again, and the answer is the first one.
    async fn deliver(&self, effect: &Effect) -> Delivered;
}

/// Sends commands, and appends events.
pub(crate) struct Courier {
    pub(crate) bus: Arc<CommandBus>,
    pub(crate) journal: Journal,
}

#[async_trait]
impl Deliver for Courier {
    fn target(&self, effect: &Effect) -> Option<String> {
        match effect.kind {
            EffectKind::Event => effect.place().map(|(stream, ..)| stream.to_string()),
            _ => self.bus.target(&effect.name, &effect.payload),
        }
    }

    async fn deliver(&self, effect: &Effect) -> Delivered {
        match effect.kind {
            EffectKind::Command | EffectKind::Notice => send(&self.bus, effect).await,
            EffectKind::Event => self.append(effect).await,
            kind => Delivered::permanent(format!("nothing here delivers effects of the kind {kind:?}")),
        }
    }
}

impl Courier {
    async fn append(&self, effect: &Effect) -> Delivered {
        let Some((stream, tags, metadata)) = effect.place() else {
            return Delivered::permanent(format!("the event `{}` names no stream", effect.name));
        };
        let event = NewEvent {
            stream,
            id: EventId::derived(effect.command.uuid(), "event"),
            name: Name::from(effect.name.clone()),
            revision: effect.revision(),
            payload: effect.payload.clone(),
            metadata: Arc::new(metadata),
            tags,
            recorded_at: self.journal.now(),
        };
        match self.bus.append(Append { events: vec![event], ..Append::default() }).await {
            Ok(_) => Delivered::Accepted(Vec::new()),
            Err(failure) => Delivered::Failed { permanent: !failure.is_transient(), reason: chain(&failure) },
        }
    }
}

/// Effects for the same target go one after the other, in the order in which they were committed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Lane {
    Target(String),
    Alone(CommandId),
}

pub(crate) type Outcomes = Vec<(Effect, Delivered)>;

/// Commands that are under way. One that is never answered holds up its lane and nothing else.
#[derive(Default)]
pub(crate) struct UnderWay {
    tasks: JoinSet<(Lane, usize, Outcomes)>,
    lanes: HashSet<Lane>,
    pub(crate) effects: usize,
}

impl UnderWay {
    /// Starts those of `due` whose targets are free, in their order; returns whether there was one.
    pub(crate) fn start_free(&mut self, due: Vec<Effect>, courier: &Arc<dyn Deliver>) -> bool {
        let mut lanes: BTreeMap<Lane, Vec<Effect>> = BTreeMap::new();
        for effect in due {
            let target = courier.target(&effect);
            let lane = target.map_or(Lane::Alone(effect.command), Lane::Target);
            // What is under way stands in a busy lane too.
            if !self.lanes.contains(&lane) {
                let effects = lanes.entry(lane).or_default();
                if effects.len() < IN_A_ROW {
                    effects.push(effect);
                }
            }
        }
        let any = !lanes.is_empty();
        for (lane, effects) in lanes {
            self.start(lane, effects, courier);
        }
        any
    }

    fn start(&mut self, lane: Lane, effects: Vec<Effect>, courier: &Arc<dyn Deliver>) {
        self.effects += effects.len();
        self.lanes.insert(lane.clone());
        let courier = Arc::clone(courier);
        let started = effects.len();
        self.tasks.spawn(async move { (lane, started, send_in_order(&*courier, effects).await) });
    }

    /// The outcomes of the next lane that has been answered, and of those that were answered with it; `None` when
    /// nothing is under way.
    pub(crate) async fn answered(&mut self) -> Option<Outcomes> {
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

/// Sends effects for one target, up to the first that is not answered: those behind it keep their place.
async fn send_in_order(courier: &dyn Deliver, effects: Vec<Effect>) -> Outcomes {
    let mut outcomes = Vec::with_capacity(effects.len());
    for effect in effects {
        let delivered = AssertUnwindSafe(courier.deliver(&effect)).catch_unwind().await;
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
        Ok(executed) => match bus.reply(&effect.name, executed) {
            Ok(reply) => Delivered::Accepted(reply),
            Err(failure) => Delivered::permanent(chain(&failure)),
        },
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
pub(crate) fn pause(attempt: u32) -> Option<Duration> {
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
