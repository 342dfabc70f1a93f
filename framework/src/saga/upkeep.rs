//! Removes instances that ended long ago, and counts those that run.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::handler::error::chain;
use crate::message::Timestamp;
use crate::store::{Claim, Journal, SagaStatus, StoreError};

use super::config::SagaConfig;
use super::monitor::{OpenInstances, SagaObserver};

/// Instances removed in one go: with their history it is a short write.
const AT_ONCE: usize = 256;

/// What is done about all instances of a saga from time to time, by the node that has its first segment. Where two nodes do it at the
/// same time for a moment, nothing is lost: what one has removed the other does not find.
pub(crate) struct Upkeep {
    pub(crate) journal: Journal,
    pub(crate) saga: &'static str,
    pub(crate) config: SagaConfig,
    pub(crate) observer: SagaObserver,
    pub(crate) claims: watch::Receiver<Vec<Claim>>,
    pub(crate) stop: CancellationToken,
}

/// When something is done next, by the clock of the application.
struct Round {
    every: Duration,
    next: Timestamp,
}

impl Round {
    /// The first time is at once.
    fn every(every: Duration, now: Timestamp) -> Self {
        Self { every, next: now }
    }

    /// Whether it is time; then the next time is later.
    fn is_due(&mut self, now: Timestamp) -> bool {
        let due = self.next <= now;
        if due {
            self.next = now.plus(self.every);
        }
        due
    }
}

impl Upkeep {
    /// Runs until it is stopped; not at all where there is nothing to do.
    pub(crate) async fn run(mut self) {
        let now = self.journal.now();
        let retention = self.config.retention;
        let mut removing = retention.ended_before(now).map(|_| Round::every(retention.interval(), now));
        let mut counting = self.observer.is_there().then(|| Round::every(self.config.counting, now));
        // Whether the monitor shows what this node has counted.
        let mut shown = false;
        if removing.is_none() && counting.is_none() {
            return;
        }
        while !self.stop.is_cancelled() {
            let mine = self.claims.borrow_and_update().iter().any(|claim| claim.segment.has(0));
            let now = self.journal.now();
            if mine && removing.as_mut().is_some_and(|round| round.is_due(now)) {
                self.remove(now).await;
            }
            if mine && counting.as_mut().is_some_and(|round| round.is_due(now)) {
                self.count().await;
                shown = true;
            }
            if !mine && std::mem::take(&mut shown) {
                // Whoever has the segment now counts; two counts would be added up.
                self.observer.counted(self.saga, OpenInstances::default());
                counting.iter_mut().for_each(|round| round.next = now);
            }
            let next = [&removing, &counting].into_iter().flatten().map(|round| round.next).min().filter(|_| mine);
            let due = async {
                match next {
                    Some(next) => self.journal.clock().sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                _ = self.claims.changed() => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    async fn remove(&self, now: Timestamp) {
        let Some(before) = self.config.retention.ended_before(now) else { return };
        let saga = self.saga;
        let mut removed = 0;
        while !self.stop.is_cancelled() {
            match forget_some(&self.journal, saga, before).await {
                Ok(0) => break,
                Ok(count) => {
                    removed += count;
                    self.observer.removed(saga, count);
                }
                Err(error) => {
                    tracing::warn!(saga, error = chain(&error), "ended instances could not be removed");
                    break;
                }
            }
        }
        if removed > 0 {
            tracing::debug!(saga, count = removed, "removed ended instances");
        }
    }

    async fn count(&self) {
        match self.journal.store().sagas().count(self.journal.tenant(), self.saga).await {
            Ok(counts) => {
                let running = counts.iter().filter(|count| count.status == SagaStatus::Running);
                let open = running.fold(OpenInstances::default(), |open, count| OpenInstances {
                    running: open.running + count.instances,
                    attention: open.attention + count.attention,
                });
                self.observer.counted(self.saga, open);
            }
            Err(error) => tracing::warn!(saga = self.saga, error = chain(&error), "instances could not be counted"),
        }
    }
}

/// Removes some of the instances that ended before this instant; returns how many, 0 where none is left.
pub(super) async fn forget_some(journal: &Journal, saga: &str, before: Timestamp) -> Result<u64, StoreError> {
    journal.store().sagas().forget(journal.tenant(), saga, before, AT_ONCE).await
}
