//! Sends what is scheduled when it is due.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::command::bus::CommandBus;
use crate::command::delivery::{AT_ONCE, Courier, Deliver, Delivered, Outcomes, UnderWay, pause};
use crate::handler::error::chain;
use crate::message::Timestamp;
use crate::processor::{Node, claim_whole};
use crate::store::{Claim, Effect, EffectKind, Journal, Segment, StoreError};

use super::CLAIM;
use super::event::Desk;
use super::recurring::Runs;
use super::scheduler::Known;

/// How long it sleeps when nothing wakes it: other nodes schedule without telling.
const IDLE: Duration = Duration::from_secs(1);
/// How long it waits before it claims again, and after the store failed.
const STORE_PAUSE: Duration = Duration::from_millis(250);
/// How long a shut-down waits for commands that are under way. They are sent again after the next start.
const GRACE: Duration = Duration::from_secs(1);

/// Sends the scheduled commands and events of one tenant, while this node has the right to.
pub(crate) struct ScheduleDispatcher {
    pub(crate) journal: Journal,
    pub(crate) bus: Arc<CommandBus>,
    pub(crate) known: Arc<Known>,
    pub(crate) wake: Arc<Notify>,
    pub(crate) node: Node,
    pub(crate) stop: CancellationToken,
}

impl ScheduleDispatcher {
    /// Runs until it is stopped.
    pub(crate) async fn run(self) {
        let _at_work = self.node.at_work();
        while !self.stop.is_cancelled() {
            match claim_whole(&self.journal, &self.node, CLAIM).await {
                Ok(Some(held)) => {
                    if let Err(error) = self.send_due(&held.claim).await {
                        tracing::warn!(error = chain(&error), "scheduled messages were interrupted");
                    }
                }
                Ok(None) => tracing::debug!("scheduled messages are sent elsewhere"),
                Err(error) => tracing::warn!(error = chain(&error), "scheduled messages cannot be claimed"),
            }
            let _ = tokio::time::timeout(STORE_PAUSE, self.stop.cancelled()).await;
        }
    }

    /// Sends what is due, until it is stopped or the claim is lost.
    async fn send_due(&self, claim: &Claim) -> Result<(), StoreError> {
        let mut under_way = UnderWay::default();
        let (mut runs, mut run, mut look) = (Runs::default(), None, true);
        while !self.stop.is_cancelled() {
            if std::mem::take(&mut look) {
                run = runs.turn(&self.journal, claim).await?;
            }
            let next = self.start_due(claim, &mut under_way).await?;
            let next = next.into_iter().chain(run).min();
            let due = async {
                match next {
                    // The clock of the application says when something is due; the machine's only when to look again.
                    Some(due) => self.journal.clock().sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(outcomes) = under_way.answered() => self.settle(claim, outcomes).await?,
                () = self.wake.notified() => look = true,
                () = due => look = true,
                () = tokio::time::sleep(IDLE) => look = true,
                () = self.stop.cancelled() => {}
            }
        }
        let last = async {
            while let Some(outcomes) = under_way.answered().await {
                self.settle(claim, outcomes).await?;
            }
            Ok(())
        };
        tokio::time::timeout(GRACE, last).await.unwrap_or(Ok(()))
    }

    /// Starts what is due, the earliest first; returns when more is due. While something is under way that is known when it
    /// is answered.
    async fn start_due(&self, claim: &Claim, under_way: &mut UnderWay) -> Result<Option<Timestamp>, StoreError> {
        if under_way.effects >= AT_ONCE {
            return Ok(None);
        }
        let (store, tenant, now) = (self.journal.store(), self.journal.tenant(), self.journal.now());
        let mut limit = AT_ONCE + under_way.effects;
        let desk: Arc<dyn Deliver> = Arc::new(self.desk());
        loop {
            let due = store.sagas().due_effects(tenant, Effect::SCHEDULED, Segment::WHOLE, now, limit).await?;
            let all = due.len() < limit;
            let due = self.lifted(claim, due).await?;
            if under_way.start_free(due, &desk) || all {
                break;
            }
            // Nothing but messages for busy targets: free ones may stand behind them.
            limit *= 4;
        }
        if under_way.effects > 0 {
            return Ok(None);
        }
        store.sagas().next_effect(tenant, Effect::SCHEDULED, Segment::WHOLE).await
    }

    fn desk(&self) -> Desk {
        let courier = Courier { bus: Arc::clone(&self.bus), journal: self.journal.clone() };
        Desk { courier, known: Arc::clone(&self.known) }
    }

    /// `due` with the commands as their upcasters lift them, without those that cannot be read. Events are lifted when they are
    /// appended.
    async fn lifted(&self, claim: &Claim, due: Vec<Effect>) -> Result<Vec<Effect>, StoreError> {
        let mut lifted = Vec::with_capacity(due.len());
        for effect in due {
            if effect.kind == EffectKind::Event {
                lifted.push(effect);
                continue;
            }
            match self.bus.lifted(effect) {
                Ok(effect) => lifted.push(effect),
                Err(failed) => self.give_up(claim, &failed.0, chain(&failed.1)).await?,
            }
        }
        Ok(lifted)
    }

    /// Gives up a command that cannot be read.
    async fn give_up(&self, claim: &Claim, effect: &Effect, reason: String) -> Result<(), StoreError> {
        tracing::error!(command = effect.name, id = %effect.command, reason, "a scheduled command needs attention");
        let mut transaction = self.journal.store().begin().await?;
        transaction.guard(std::slice::from_ref(claim)).await?;
        let attempts = effect.attempts + 1;
        transaction.postpone_effect(self.journal.tenant(), effect.command, attempts, Err(reason)).await?;
        transaction.commit().await
    }

    /// Writes what came of commands, in one transaction.
    async fn settle(&self, claim: &Claim, outcomes: Outcomes) -> Result<(), StoreError> {
        let (tenant, now) = (self.journal.tenant(), self.journal.now());
        let mut transaction = self.journal.store().begin().await?;
        transaction.guard(std::slice::from_ref(claim)).await?;
        let mut done = Vec::new();
        for (effect, delivered) in outcomes {
            let Delivered::Failed { reason, permanent } = delivered else {
                if matches!(delivered, Delivered::Rejected(_)) {
                    tracing::info!(command = effect.name, id = %effect.command, "a scheduled command was rejected");
                }
                done.push(effect.command);
                continue;
            };
            let attempts = effect.attempts + 1;
            let again = pause(attempts).filter(|_| !permanent).map(|pause| now.plus(pause));
            if again.is_none() {
                tracing::error!(
                    message = effect.name, id = %effect.command, reason,
                    "a scheduled message needs attention: it was given up"
                );
            }
            transaction.postpone_effect(tenant, effect.command, attempts, again.ok_or(reason)).await?;
        }
        if !done.is_empty() {
            transaction.finish_effects(tenant, &done).await?;
        }
        transaction.commit().await
    }
}
