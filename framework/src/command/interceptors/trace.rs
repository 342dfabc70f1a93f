//! Tracing.

use async_trait::async_trait;
use tokio::time::Instant;
use tracing::{Instrument, Level, Span};

use crate::command::error::CommandError;
use crate::command::interceptor::{CommandInterceptor, Next};
use crate::command::message::{CommandMessage, CommandResult};
use crate::handler::error::chain;

/// A `tracing` span around each command, with its name, target, id and correlation id, and one event at its end with the
/// outcome and the time that it took.
///
/// What the domain refuses is an answer, and is told at the level of the span; what fails is told as a warning.
///
/// ```
/// use annals::command::interceptors::Trace;
/// use tracing::Level;
///
/// let trace = Trace::new().level(Level::DEBUG);
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Trace {
    level: Level,
}

impl Trace {
    /// Spans at the level `INFO`.
    pub fn new() -> Self {
        Self { level: Level::INFO }
    }

    /// Spans at this level.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    fn span(self, command: &CommandMessage) -> Span {
        macro_rules! span {
            ($level:expr) => {
                tracing::span!(
                    $level,
                    "command",
                    command = command.name,
                    target = command.target.as_deref(),
                    id = %command.id,
                    correlation = command.metadata.correlation_id(),
                )
            };
        }
        // A span's level is fixed where it is written.
        match self.level {
            Level::ERROR => span!(Level::ERROR),
            Level::WARN => span!(Level::WARN),
            Level::INFO => span!(Level::INFO),
            Level::DEBUG => span!(Level::DEBUG),
            Level::TRACE => span!(Level::TRACE),
        }
    }

    fn tell(self, outcome: &str, took: std::time::Duration, rejection: Option<String>) {
        macro_rules! event {
            ($level:expr) => {
                tracing::event!($level, outcome, ?took, rejection, "command ended")
            };
        }
        match self.level {
            Level::ERROR => event!(Level::ERROR),
            Level::WARN => event!(Level::WARN),
            Level::INFO => event!(Level::INFO),
            Level::DEBUG => event!(Level::DEBUG),
            Level::TRACE => event!(Level::TRACE),
        }
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl CommandInterceptor for Trace {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        let (span, begun) = (self.span(&command), Instant::now());
        let result = next.run(command).instrument(span.clone()).await;
        let took = begun.elapsed();
        span.in_scope(|| match &result {
            Ok(executed) => self.tell(if executed.repeated { "repeated" } else { "done" }, took, None),
            Err(CommandError::Rejected(rejection)) => self.tell("rejected", took, Some(rejection.to_string())),
            Err(CommandError::Failed(failure)) => {
                tracing::warn!(outcome = "failed", ?took, error = chain(failure), "command ended");
            }
        });
        result
    }
}
