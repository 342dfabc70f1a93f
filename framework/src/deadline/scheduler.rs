//! Fires the timers of one target.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::store::{Claim, Journal, StoreError, Timer};

/// Timers taken at once.
const AT_ONCE: usize = 256;
/// How long the scheduler sleeps when no timer waits, and after the store failed.
const IDLE: Duration = Duration::from_secs(1);

/// Whose timers are fired.
#[async_trait]
pub(crate) trait DeadlineTarget: Send + Sync + 'static {
    /// The name under which its timers are stored.
    fn name(&self) -> &'static str;

    /// Handles a timer that is due, and removes it, in one transaction.
    async fn fire(&self, timer: &Timer, claim: &Claim) -> Result<(), StoreError>;

    /// Returns when timers may be new.
    async fn changed(&self);
}

/// Fires the timers of a target while this node holds its claim.
pub(crate) struct Scheduler {
    pub(crate) journal: Journal,
    pub(crate) target: Arc<dyn DeadlineTarget>,
    pub(crate) claim: watch::Receiver<Option<Claim>>,
    pub(crate) stop: CancellationToken,
}

impl Scheduler {
    /// Runs until it is stopped.
    pub(crate) async fn run(mut self) {
        while !self.stop.is_cancelled() {
            let claim = self.claim.borrow_and_update().clone();
            let next = match claim {
                None => Ok(None),
                Some(claim) => self.fire_due(&claim).await,
            };
            let next = next.unwrap_or_else(|error| {
                tracing::warn!(target = self.target.name(), %error, "timers could not be fired");
                None
            });
            // The clock of the application says when a timer is due; the machine's only when to look again.
            let due = async {
                match next {
                    Some(due) => self.journal.clock().sleep_until(due).await,
                    None => tokio::time::sleep(IDLE).await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.target.changed() => {}
                _ = self.claim.changed() => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// Fires what is due; returns when the next timer is due.
    async fn fire_due(&self, claim: &Claim) -> Result<Option<crate::message::Timestamp>, StoreError> {
        let (store, tenant) = (self.journal.store(), self.journal.tenant());
        loop {
            let due = store.due_timers(tenant, self.target.name(), self.journal.now(), AT_ONCE).await?;
            if due.is_empty() {
                return store.next_timer(tenant, self.target.name()).await;
            }
            for timer in &due {
                self.target.fire(timer, claim).await?;
            }
        }
    }
}
