//! What happens on the command side, for those who watch.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::error::{CommandError, CommandFailure};
use super::message::CommandResult;

/// Is told what becomes of commands. Each method is called on the way of a command, and should be quick.
///
/// With the Cargo feature `metrics` there is one that reports to the `metrics` facade: `MetricsMonitor`.
///
/// ```
/// use std::time::Duration;
/// use annals::Annals;
/// use annals::command::{CommandMonitor, CommandOutcome};
///
/// struct Slow;
///
/// impl CommandMonitor for Slow {
///     fn ended(&self, command: &'static str, outcome: CommandOutcome, took: Duration) {
///         if took > Duration::from_secs(1) {
///             eprintln!("`{command}` took {took:?}: {}", outcome.as_str());
///         }
///     }
/// }
///
/// let builder = Annals::builder().command_monitor(Slow);
/// ```
pub trait CommandMonitor: Send + Sync + 'static {
    /// A command has begun; [`CommandMonitor::ended`] follows.
    fn begun(&self, _command: &'static str) {}

    /// An attempt at a command has ended. `took` is the time from dispatch to the answer.
    fn ended(&self, command: &'static str, outcome: CommandOutcome, took: Duration);

    /// A command has its turn, after it waited so long behind others.
    fn waited(&self, _command: &'static str, _waited: Duration) {}

    /// A command has failed, and is tried again by a retry policy.
    fn retried(&self, _command: &'static str) {}

    /// A decision was run again because of a conflict with another writer.
    fn conflicted(&self, _command: &'static str) {}
}

/// How an attempt at a command has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CommandOutcome {
    /// It was executed.
    Done,
    /// It is a repeat, and got the first answer.
    Repeated,
    /// The domain said no.
    Rejected,
    /// Too many commands wait, or are under way, or come too fast.
    Busy,
    /// Other writers kept getting there first.
    Conflict,
    /// Something else failed.
    Failed,
    /// Whoever waited for it has gone. It may have been executed.
    Dropped,
}

impl CommandOutcome {
    /// One word, as a label of metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Repeated => "repeated",
            Self::Rejected => "rejected",
            Self::Busy => "busy",
            Self::Conflict => "conflict",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }

    fn of(result: &CommandResult) -> Self {
        match result {
            Ok(executed) if executed.repeated => Self::Repeated,
            Ok(_) => Self::Done,
            Err(CommandError::Rejected(_)) => Self::Rejected,
            Err(CommandError::Failed(failure)) => match failure {
                CommandFailure::Busy { .. }
                | CommandFailure::Overloaded { .. }
                | CommandFailure::Shed { .. }
                | CommandFailure::RateLimited { .. }
                | CommandFailure::CircuitOpen { .. } => Self::Busy,
                CommandFailure::Conflict { .. } => Self::Conflict,
                _ => Self::Failed,
            },
        }
    }
}

/// The monitor of an application, if it has one. Without one no time is taken.
#[derive(Clone, Default)]
pub(crate) struct Observer(Option<Arc<dyn CommandMonitor>>);

impl Observer {
    pub(crate) fn new(monitor: impl CommandMonitor) -> Self {
        Self(Some(Arc::new(monitor)))
    }

    pub(super) fn retried(&self, command: &'static str) {
        if let Some(monitor) = &self.0 {
            monitor.retried(command);
        }
    }

    /// The instant from which a wait is measured; `None` where nobody wants to know.
    pub(super) fn waits(&self) -> Option<Instant> {
        self.0.as_ref().map(|_| Instant::now())
    }

    pub(super) fn waited(&self, command: &'static str, since: Option<Instant>) {
        if let (Some(monitor), Some(since)) = (&self.0, since) {
            monitor.waited(command, since.elapsed());
        }
    }

    pub(super) fn conflicted(&self, command: &'static str) {
        if let Some(monitor) = &self.0 {
            monitor.conflicted(command);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").field(&self.0.is_some()).finish()
    }
}

/// A command that is watched.
pub(super) struct Observed<'a> {
    monitor: &'a dyn CommandMonitor,
    command: &'static str,
    begun: Instant,
    outcome: CommandOutcome,
}

impl<'a> Observed<'a> {
    pub(super) fn begin(observer: &'a Observer, command: &'static str) -> Option<Self> {
        let monitor = observer.0.as_deref()?;
        monitor.begun(command);
        Some(Self { monitor, command, begun: Instant::now(), outcome: CommandOutcome::Dropped })
    }

    pub(super) fn end(mut self, result: &CommandResult) {
        self.outcome = CommandOutcome::of(result);
    }
}

impl Drop for Observed<'_> {
    fn drop(&mut self) {
        self.monitor.ended(self.command, self.outcome, self.begun.elapsed());
    }
}
