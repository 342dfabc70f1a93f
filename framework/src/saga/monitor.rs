//! What happens to sagas, for those who watch.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::store::SagaStatus;

/// Is told what becomes of sagas and workflows, under their stored names, after it was committed. Each method is called on the way of inputs and
/// effects, once for all of a transaction where it takes a number, and should be quick.
///
/// With the Cargo feature `metrics` there is one that reports to the `metrics` facade: `saga::MetricsMonitor`.
///
/// ```
/// use std::time::Duration;
/// use annals::Annals;
/// use annals::saga::SagaMonitor;
///
/// struct Alarm;
///
/// impl SagaMonitor for Alarm {
///     fn attention(&self, saga: &'static str, instances: u64) {
///         eprintln!("{instances} more of `{saga}` need attention");
///     }
///
///     fn fired(&self, saga: &'static str, delay: Duration) {
///         if delay > Duration::from_secs(10) {
///             eprintln!("a deadline of `{saga}` was late by {delay:?}");
///         }
///     }
/// }
///
/// let builder = Annals::builder().saga_monitor(Alarm);
/// ```
pub trait SagaMonitor: Send + Sync + 'static {
    /// So many instances were begun.
    fn begun(&self, _saga: &'static str, _instances: u64) {}

    /// So many instances have ended in this way.
    fn ended(&self, _saga: &'static str, _how: SagaStatus, _instances: u64) {}

    /// So many inputs of a kind were handled. One that could not be handled is not among them until it is.
    fn handled(&self, _saga: &'static str, _kind: InputKind, _inputs: u64) {}

    /// So many attempts at effects have come to this.
    fn effects(&self, _saga: &'static str, _outcome: EffectOutcome, _attempts: u64) {}

    /// So many instances have come to need attention.
    fn attention(&self, _saga: &'static str, _instances: u64) {}

    /// A timer was fired, so long after it was due. On an instance that needs attention its deadline waits to be handled.
    fn fired(&self, _saga: &'static str, _delay: Duration) {}

    /// So many instances that have not ended were in the store when they were counted, every
    /// [`SagaConfig::counting`](super::SagaConfig::counting). The node that has the first segment of the saga counts. When it gives that
    /// up it tells none, so that the counts of all nodes can be added up.
    fn counted(&self, _saga: &'static str, _open: OpenInstances) {}

    /// So many ended instances were removed by the [retention](super::SagaRetention).
    fn removed(&self, _saga: &'static str, _instances: u64) {}
}

/// Instances of a saga that have not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct OpenInstances {
    /// All of them.
    pub running: u64,
    /// Those that need attention.
    pub attention: u64,
}

/// What an input of an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InputKind {
    /// Its beginning by a call, or by another saga.
    Begun,
    /// An event.
    Event,
    /// The reply to a command that somebody handles, or the result of a call.
    Accepted,
    /// The rejection of a command.
    Rejected,
    /// The end of a saga that it had begun.
    Ended,
    /// A deadline that has passed.
    Deadline,
    /// What somebody did about it: a command was left out, or what was done is to be undone.
    Intervention,
}

/// What an attempt at an effect has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EffectOutcome {
    /// It has happened.
    Delivered,
    /// It was a command, and the domain said no.
    Rejected,
    /// It has failed, and is tried again.
    Retried,
    /// It was given up, and needs attention.
    Failed,
}

impl InputKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Begun, Self::Event, Self::Accepted, Self::Rejected, Self::Ended, Self::Deadline, Self::Intervention];

    /// One word, as a label of metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Event => "event",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Ended => "ended",
            Self::Deadline => "deadline",
            Self::Intervention => "intervention",
        }
    }
}

impl EffectOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Delivered, Self::Rejected, Self::Retried, Self::Failed];

    /// One word, as a label of metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Rejected => "rejected",
            Self::Retried => "retried",
            Self::Failed => "failed",
        }
    }
}

/// What has happened to instances in one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    begun: u64,
    /// By their statuses.
    ended: [u64; SagaStatus::ALL.len()],
    handled: [u64; InputKind::ALL.len()],
    attention: u64,
}

impl Tally {
    pub(super) fn begin(&mut self) {
        self.begun += 1;
    }

    pub(super) fn end(&mut self, how: SagaStatus) {
        self.ended[how as usize] += 1;
    }

    pub(super) fn handle(&mut self, kind: InputKind) {
        self.handled[kind as usize] += 1;
    }

    pub(super) fn attention(&mut self) {
        self.attention += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.begun += other.begun;
        self.attention += other.attention;
        let ended = self.ended.iter_mut().zip(other.ended);
        let handled = self.handled.iter_mut().zip(other.handled);
        ended.chain(handled).for_each(|(own, others)| *own += others);
    }
}

/// What attempts at effects have come to in one transaction, by outcome.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Attempts([u64; EffectOutcome::ALL.len()]);

impl Attempts {
    pub(super) fn add(&mut self, outcome: EffectOutcome) {
        self.0[outcome as usize] += 1;
    }
}

/// The monitor of an application, if it has one.
#[derive(Clone, Default)]
pub(crate) struct SagaObserver(Option<Arc<dyn SagaMonitor>>);

impl SagaObserver {
    pub(crate) fn new(monitor: impl SagaMonitor) -> Self {
        Self(Some(Arc::new(monitor)))
    }

    pub(super) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Tells what has happened in a transaction that is committed.
    pub(super) fn report(&self, saga: &'static str, tally: &Tally) {
        let Some(monitor) = &self.0 else { return };
        if tally.begun > 0 {
            monitor.begun(saga, tally.begun);
        }
        for (kind, inputs) in InputKind::ALL.into_iter().zip(tally.handled).filter(|(_, inputs)| *inputs > 0) {
            monitor.handled(saga, kind, inputs);
        }
        if tally.attention > 0 {
            monitor.attention(saga, tally.attention);
        }
        for (how, instances) in SagaStatus::ALL.into_iter().zip(tally.ended).filter(|(_, instances)| *instances > 0) {
            monitor.ended(saga, how, instances);
        }
    }

    pub(super) fn attempted(&self, saga: &'static str, attempts: &Attempts) {
        let Some(monitor) = &self.0 else { return };
        for (outcome, count) in EffectOutcome::ALL.into_iter().zip(attempts.0).filter(|(_, count)| *count > 0) {
            monitor.effects(saga, outcome, count);
        }
    }

    pub(super) fn fired(&self, saga: &'static str, delays: &[Duration]) {
        let Some(monitor) = &self.0 else { return };
        delays.iter().for_each(|delay| monitor.fired(saga, *delay));
    }

    pub(super) fn counted(&self, saga: &'static str, open: OpenInstances) {
        if let Some(monitor) = &self.0 {
            monitor.counted(saga, open);
        }
    }

    pub(super) fn removed(&self, saga: &'static str, instances: u64) {
        if let Some(monitor) = &self.0 {
            monitor.removed(saga, instances);
        }
    }
}

impl fmt::Debug for SagaObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SagaObserver").field(&self.0.is_some()).finish()
    }
}
