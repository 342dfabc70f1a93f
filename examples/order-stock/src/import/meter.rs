//! Counts commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annals::command::{CommandInterceptor, CommandMessage, CommandResult, Next};
use async_trait::async_trait;

/// Counts every command of an application: those of the import, and those that the saga sends. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<AtomicU64>);

impl Meter {
    /// Commands so far.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl CommandInterceptor for Meter {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        self.0.fetch_add(1, Ordering::Relaxed);
        next.run(command).await
    }
}
