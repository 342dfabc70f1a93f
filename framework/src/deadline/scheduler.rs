//! Fires the timers of one target.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::handler::error::chain;
use crate::message::Timestamp;
use crate::store::{Claim, Journal, StoreError, Timer};

/// Timers fired in one transaction.
const AT_ONCE: usize = 256;
/// How long the scheduler sleeps when no timer waits, and after the store failed.
const IDLE: Duration = Duration::from_secs(1);

/// Whose timers are fired.
#[async_trait]
pub(crate) trait DeadlineTarget: Send + Sync + 'static {
    /// The name under which its timers are stored.
    fn name(&self) -> &'static str;

    /// Handles timers of the claimed segment that are due, the earliest first, and removes them, in one transaction.
    async fn fire(&self, due: &[Timer], claim: &Claim) -> Result<(), StoreError>;

    /// Returns when timers may be new.
    async fn changed(&self);
}

/// Fires the timers of a target while this node holds its segments.
pub(crate) struct Scheduler {
    pub(crate) journal: Journal,
    pub(crate) target: Arc<dyn DeadlineTarget>,
    pub(crate) claims: watch::Receiver<Vec<Claim>>,
    pub(crate) stop: CancellationToken,
}

impl Scheduler {
    /// Runs until it is stopped.
    pub(crate) async fn run(mut self) {
        while !self.stop.is_cancelled() {
            let claims = self.claims.borrow_and_update().clone();
            let mut next: Option<Timestamp> = None;
            for claim in &claims {
                match self.fire_due(claim).await {
                    Ok(due) => next = next.into_iter().chain(due).min(),
                    Err(error) => {
                        let error = chain(&error);
                        tracing::warn!(target = self.target.name(), error, "timers could not be fired");
                    }
                }
            }
            // The clock of the application says when a timer is due; the machine's only when to look again: other nodes may
            // have set one.
            let due = async {
                match next {
                    Some(due) => self.journal.clock().sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = tokio::time::sleep(IDLE) => {}
                () = self.target.changed() => {}
                _ = self.claims.changed() => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// Fires what is due; returns when the next timer is due.
    async fn fire_due(&self, claim: &Claim) -> Result<Option<Timestamp>, StoreError> {
        let (sagas, tenant, name) = (self.journal.store().sagas(), self.journal.tenant(), self.target.name());
        while !self.stop.is_cancelled() {
            let due = sagas.due_timers(tenant, name, claim.segment, self.journal.now(), AT_ONCE).await?;
            if due.is_empty() {
                return sagas.next_timer(tenant, name, claim.segment).await;
            }
            self.target.fire(&due, claim).await?;
        }
        Ok(None)
    }
}
