//! Retry policies: which failures are tried again, how often, and when.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::Instant;

use super::bus::CommandBus;
use super::error::{CommandError, CommandFailure};
use super::message::{CommandMessage, CommandResult};

/// Which failed commands are sent again, how often, and after which pauses.
///
/// A rejection is an answer and never tried again, nor is a failure after which the command may have been executed
/// ([`CommandFailure::may_be_executed`]), unless its outcome is recorded under its id. All attempts have the same id.
///
/// That a decision meets a conflict is no failure at first: it is run again by itself
/// ([`CommandConfig::conflict_retries`](super::CommandConfig::conflict_retries)). A policy goes on from there.
///
/// A policy is set for one send, for a kind of command, or for the application; the nearest one counts.
///
/// ```
/// use std::time::Duration;
/// use annals::command::{CommandFailure, RetryPolicy};
///
/// let policy = RetryPolicy::transient()
///     .attempts(6)
///     .pauses(Duration::from_millis(20), Duration::from_secs(2))
///     .within(Duration::from_secs(10))
///     .except(|failure| matches!(failure, CommandFailure::RateLimited { .. }));
/// assert!(policy.applies_to(&CommandFailure::Overloaded { command: "order.place".into(), limit: 10 }));
/// ```
#[derive(Clone)]
#[must_use]
pub struct RetryPolicy {
    attempts: u32,
    first_pause: Duration,
    longest_pause: Duration,
    within: Option<Duration>,
    records: bool,
    class: Class,
}

/// Says which failures are tried again.
type Class = Arc<dyn Fn(&CommandFailure) -> bool + Send + Sync>;

impl RetryPolicy {
    /// Tries nothing again. It takes back what the application or the kind of command would do.
    pub fn never() -> Self {
        Self::on(|_| false).attempts(1)
    }

    /// Tries transient failures again ([`CommandFailure::is_transient`]).
    pub fn transient() -> Self {
        Self::on(CommandFailure::is_transient)
    }

    /// Tries again what `class` says, whatever it is.
    pub fn on(class: impl Fn(&CommandFailure) -> bool + Send + Sync + 'static) -> Self {
        Self {
            attempts: 4,
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(5),
            within: None,
            records: false,
            class: Arc::new(class),
        }
    }

    /// Tries again what `class` says too.
    pub fn and_on(mut self, class: impl Fn(&CommandFailure) -> bool + Send + Sync + 'static) -> Self {
        let before = self.class;
        self.class = Arc::new(move |failure| before(failure) || class(failure));
        self
    }

    /// Does not try again what `class` says.
    pub fn except(mut self, class: impl Fn(&CommandFailure) -> bool + Send + Sync + 'static) -> Self {
        let before = self.class;
        self.class = Arc::new(move |failure| before(failure) && !class(failure));
        self
    }

    /// Sends a command at most so often, the first time included. Default 4.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The first pause, and the longest: each is twice the one before, up to the longest, and a random part of `first` comes
    /// on top, so that those who failed together do not come back together. Default 50 ms and 5 s.
    pub fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        (self.first_pause, self.longest_pause) = (first, longest);
        self
    }

    /// Begins no attempt later than this after the first. Default: no limit. It does not end an attempt that is under way:
    /// that is [`SendCall::timeout`](super::SendCall::timeout).
    pub fn within(mut self, within: Duration) -> Self {
        self.within = Some(within);
        self
    }

    /// Records the outcome of each command under its id, as [`SendCall::id`](super::SendCall::id) does, so that an attempt
    /// of which it is not known how it ended is tried again too: whichever attempt was executed, there is one effect.
    /// Default: not recorded, which saves the record, and leaves unknown outcomes to the sender.
    pub fn recorded(mut self) -> Self {
        self.records = true;
        self
    }

    /// Whether `failure` is tried again, as far as its kind goes.
    #[must_use]
    pub fn applies_to(&self, failure: &CommandFailure) -> bool {
        (self.class)(failure)
    }

    fn delays(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(self.first_pause)
            .with_max_delay(self.longest_pause)
            .with_max_times(self.attempts.saturating_sub(1) as usize)
            .build()
    }

    fn is_safe(failure: &CommandFailure, message: &CommandMessage) -> bool {
        // The version that was named will not come back.
        let hopeless = message.expected.is_some() && matches!(failure, CommandFailure::Conflict { .. });
        !hopeless && (message.recorded || !failure.may_be_executed())
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy")
            .field("attempts", &self.attempts)
            .field("first_pause", &self.first_pause)
            .field("longest_pause", &self.longest_pause)
            .field("within", &self.within)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

/// The policies of an application.
#[derive(Debug, Clone, Default)]
pub(crate) struct Retries {
    pub(crate) all: Option<RetryPolicy>,
    pub(crate) by_command: HashMap<&'static str, RetryPolicy>,
}

impl Retries {
    pub(super) fn of(&self, command: &str) -> Option<&RetryPolicy> {
        let own = if self.by_command.is_empty() { None } else { self.by_command.get(command) };
        own.or(self.all.as_ref())
    }
}

/// Sends `message` as often as `policy` says.
pub(super) async fn dispatch(bus: &CommandBus, policy: &RetryPolicy, mut message: CommandMessage) -> CommandResult {
    message.recorded |= policy.records;
    let (begun, mut delays) = (Instant::now(), policy.delays());
    loop {
        let result = bus.dispatch(message.clone()).await;
        let Err(CommandError::Failed(failure)) = &result else { return result };
        if !policy.applies_to(failure) || !RetryPolicy::is_safe(failure, &message) {
            return result;
        }
        let Some(delay) = delays.next() else { return result };
        let delay = delay.max(wanted_pause(failure));
        if policy.within.is_some_and(|within| begun.elapsed() + delay > within) {
            return result;
        }
        tracing::debug!(command = message.name, id = %message.id, %failure, ?delay, "a command is tried again");
        bus.observer().retried(message.name);
        tokio::time::sleep(delay).await;
    }
}

/// The pause that a failure itself asks for.
fn wanted_pause(failure: &CommandFailure) -> Duration {
    match failure {
        CommandFailure::RateLimited { again_in, .. } | CommandFailure::CircuitOpen { again_in, .. } => *again_in,
        _ => Duration::ZERO,
    }
}
