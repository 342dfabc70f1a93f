//! Time limits.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};

use crate::command::error::CommandFailure;
use crate::command::interceptor::{CommandInterceptor, Next};
use crate::command::message::{CommandMessage, CommandResult};
use crate::message::Command;

/// Ends commands that take too long with [`CommandFailure::Timeout`], and warns in the log before.
///
/// The time counts from here: around dispatch with the wait for its turn, around handling without. What is ended may still be
/// executed, and nothing of it is left half done.
///
/// ```
/// use std::time::Duration;
/// use annals::command::interceptors::TimeLimit;
/// # use annals::prelude::*;
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "stock.import")] struct ImportStock {}
///
/// let limit = TimeLimit::of(Duration::from_secs(30))
///     .warn_after(0.5)
///     .of_command::<ImportStock>(Duration::from_secs(600));
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct TimeLimit {
    limit: Duration,
    /// A share of the limit, between 0 and 1.
    warning: f64,
    by_command: HashMap<&'static str, Duration>,
}

impl TimeLimit {
    /// The limit of each command.
    pub fn of(limit: Duration) -> Self {
        Self { limit, warning: 0.8, by_command: HashMap::new() }
    }

    /// The limit of the commands of one type, in place of the general one.
    pub fn of_command<C: Command>(mut self, limit: Duration) -> Self {
        self.by_command.insert(C::NAME, limit);
        self
    }

    /// Warns after this share of the limit, from 0 to 1. Default 0.8; 1 does not warn.
    pub fn warn_after(mut self, share: f64) -> Self {
        self.warning = if share.is_nan() { 1.0 } else { share.clamp(0.0, 1.0) };
        self
    }
}

#[async_trait]
impl CommandInterceptor for TimeLimit {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        let limit = self.by_command.get(command.name).copied().unwrap_or(self.limit);
        let (name, id, target) = (command.name, command.id, command.target.clone());
        let begun = Instant::now();
        let mut running = Box::pin(next.run(command));
        if self.warning < 1.0 {
            tokio::select! {
                biased;
                result = &mut running => return result,
                () = sleep_until(begun + limit.mul_f64(self.warning)) => {}
            }
            tracing::warn!(command = name, %id, target, after = ?begun.elapsed(), ?limit, "a command takes long");
        }
        tokio::select! {
            biased;
            result = running => result,
            () = sleep_until(begun + limit) => Err(CommandFailure::Timeout { after: limit }.into()),
        }
    }
}
