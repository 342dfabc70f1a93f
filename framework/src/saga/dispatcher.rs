//! Delivers the effects of a saga: at least once, under a fixed id, in order for each instance.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::command::CommandBus;
use crate::command::delivery::{AT_ONCE, Deliver, Delivered, Outcomes, UnderWay, pause};
use crate::handler::error::chain;
use crate::handler::{Context, Resources};
use crate::message::{CommandId, Timestamp};
use crate::store::{Claim, Effect, EffectKind, Journal, SagaFilter, SagaRow};

use super::error::SagaError;
use super::family::{How, Relatives};
use super::handlers::SagaHandlers;
use super::handling::Handling;
use super::history::{HistoryEntry, HistoryInput};
use super::instance::{Happening, Instance, Runner, history_row};
use super::instances::{Instances, RACES, load, lost_a_race, write};
use super::monitor::{Attempts, EffectOutcome, SagaObserver};
use super::processor::Wake;

/// How long the dispatcher sleeps when nothing wakes it, and after the store failed.
const IDLE: Duration = Duration::from_secs(1);
/// How long it sleeps while commands are under way that nobody has answered.
const BUSY: Duration = Duration::from_millis(100);
/// How long a shut-down waits for commands that are under way. They are sent again after the next start.
const GRACE: Duration = Duration::from_secs(1);
/// When an answer is asked for again whose instance takes no input at present.
const LATER: Duration = Duration::from_secs(1);

/// Sends the commands of the saga `S` and brings their outcomes back.
pub(crate) struct Dispatcher<S> {
    pub(crate) journal: Journal,
    pub(crate) resources: Arc<Resources>,
    pub(crate) bus: Arc<CommandBus>,
    pub(crate) courier: Arc<dyn Deliver>,
    pub(crate) handling: Arc<Handling<S>>,
    pub(crate) relatives: Relatives,
    pub(crate) claims: watch::Receiver<Vec<Claim>>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) observer: SagaObserver,
    pub(crate) stop: CancellationToken,
}

impl<S: SagaHandlers> Dispatcher<S> {
    /// Runs until it is stopped, whenever this node holds segments of the saga.
    pub(crate) async fn run(mut self) {
        let (mut under_way, mut looked_after) = (UnderWay::default(), Vec::new());
        while !self.stop.is_cancelled() {
            let claims = self.claims.borrow_and_update().clone();
            if claims != looked_after {
                match self.go_on(&claims).await {
                    Ok(()) => looked_after.clone_from(&claims),
                    Err(error) => {
                        tracing::warn!(saga = S::NAME, error = chain(&error), "instances that wait could not be read");
                    }
                }
            }
            let wait = self.start_due(&claims, &mut under_way).await.unwrap_or_else(|error| {
                tracing::warn!(saga = S::NAME, error = chain(&error), "effects could not be read");
                IDLE
            });
            tokio::select! {
                Some(outcomes) = under_way.answered() => self.take_home(outcomes).await,
                () = self.wake.effects.notified() => {}
                _ = self.claims.changed() => {}
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => {}
            }
        }
        let last = async {
            while let Some(outcomes) = under_way.answered().await {
                self.take_home(outcomes).await;
            }
        };
        let _ = tokio::time::timeout(GRACE, last).await;
    }

    /// Has instances of segments that are new here go on whose states another program could not read.
    async fn go_on(&self, claims: &[Claim]) -> Result<(), SagaError> {
        let (sagas, tenant) = (self.journal.store().sagas(), self.journal.tenant());
        let mut filter = SagaFilter::running().needing_attention();
        loop {
            let rows = sagas.list(tenant, S::NAME, &filter, AT_ONCE).await?;
            let last = rows.last().map(|row| (row.began, row.id)).filter(|_| rows.len() == AT_ONCE);
            for row in rows.into_iter().filter(|row| claims.iter().any(|claim| claim.segment.has(row.slice))) {
                let id = row.id;
                match self.go_on_with(row).await {
                    Err(SagaError::Store(error)) => return Err(error.into()),
                    // The others do not wait for it.
                    Err(error) => {
                        tracing::warn!(saga = S::NAME, instance = %id, error = chain(&error), "it does not go on")
                    }
                    Ok(()) => {}
                }
            }
            match last {
                Some(last) => filter.after = Some(last),
                None => return Ok(()),
            }
        }
    }

    async fn go_on_with(&self, row: SagaRow) -> Result<(), SagaError> {
        let instance = Instance::<S>::load(row, self.journal.payloads())?;
        let own = self.relatives.get().and_then(|relatives| relatives.get(S::NAME));
        if let Some(own) = own.filter(|_| instance.has_found_its_reader()) {
            own.intervene(instance.id(), &How::Retry).await?;
        }
        Ok(())
    }

    /// Sends what is due; returns how long until more is due.
    async fn start_due(&self, claims: &[Claim], under_way: &mut UnderWay) -> Result<Duration, SagaError> {
        let (sagas, tenant) = (self.journal.store().sagas(), self.journal.tenant());
        let mut next: Option<Timestamp> = None;
        let now = self.journal.now();
        for claim in claims {
            if under_way.effects >= AT_ONCE {
                return Ok(IDLE);
            }
            let mut limit = AT_ONCE + under_way.effects;
            loop {
                let due = sagas.due_effects(tenant, S::NAME, claim.segment, now, limit).await?;
                let all = due.len() < limit;
                let lifted = self.lifted(due).await?;
                if under_way.start_free(lifted, &self.courier) || all {
                    break;
                }
                // Nothing but effects for busy targets: free ones may stand behind them.
                limit *= 4;
            }
            let waits = sagas.next_effect(tenant, S::NAME, claim.segment).await?;
            next = next.into_iter().chain(waits).min();
        }
        let shortest = if under_way.effects > 0 { BUSY } else { Duration::from_millis(1) };
        Ok(next.map_or(IDLE, |next| next.since(now).clamp(shortest, IDLE)))
    }

    /// Commands as upcasters lift them. Those that cannot be read are given up.
    async fn lifted(&self, due: Vec<Effect>) -> Result<Vec<Effect>, SagaError> {
        let mut lifted = Vec::with_capacity(due.len());
        for effect in due {
            if !matches!(effect.kind, EffectKind::Command | EffectKind::Notice) {
                lifted.push(effect);
                continue;
            }
            match self.bus.lifted(effect) {
                Ok(effect) => lifted.push(effect),
                Err(failed) => {
                    let failure = Delivered::permanent(chain(&failed.1));
                    self.settle_one(failed.0, failure).await?;
                }
            }
        }
        Ok(lifted)
    }

    async fn settle_one(&self, effect: Effect, delivered: Delivered) -> Result<(), SagaError> {
        self.settle(&[(effect, delivered)]).await
    }

    /// Brings outcomes back to their instances. Those that cannot be written are forgotten: their commands are sent
    /// again, and answered as before.
    async fn take_home(&self, outcomes: Outcomes) {
        let mut races = 0;
        while let Err(error) = self.settle(&outcomes).await {
            races += 1;
            if !lost_a_race(&self.journal, &error) || races > RACES {
                tracing::warn!(saga = S::NAME, error = chain(&error), "outcomes of effects could not be written");
                let _ = tokio::time::timeout(BUSY, self.stop.cancelled()).await;
                return;
            }
        }
    }

    /// Writes outcomes in one transaction. An instance that cannot handle its outcome keeps the effect, and needs attention.
    async fn settle(&self, outcomes: &[(Effect, Delivered)]) -> Result<(), SagaError> {
        let claims = self.claims.borrow().clone();
        let own = |effect: &Effect| claims.iter().find(|claim| claim.segment.has(effect.slice));
        let outcomes: Vec<_> = outcomes.iter().filter(|(effect, _)| own(effect).is_some()).collect();
        let held: HashSet<u32> = outcomes.iter().filter_map(|(effect, _)| Some(own(effect)?.segment.id())).collect();
        let claims: Vec<Claim> = claims.iter().filter(|claim| held.contains(&claim.segment.id())).cloned().collect();
        if claims.is_empty() {
            return Ok(());
        }
        let journal = &self.journal;
        let mut transaction = journal.store().begin().await?;
        transaction.guard(&claims).await?;
        let mut concerned: Vec<_> = outcomes
            .iter()
            .filter(|(effect, delivered)| self.concerns(effect, delivered))
            .map(|(effect, _)| effect.saga_id)
            .collect();
        concerned.sort_unstable();
        concerned.dedup();
        let mut instances = match concerned.is_empty() {
            true => Instances::default(),
            false => load::<S>(&mut *transaction, journal, &concerned).await?,
        };
        // What is no longer open was withdrawn, or answered before.
        let ids: Vec<CommandId> = outcomes.iter().map(|(effect, _)| effect.command).collect();
        let open: HashSet<CommandId> = transaction.open_among(journal.tenant(), &ids).await?.into_iter().collect();
        let (mut done, mut history, mut came_of_them) = (Vec::new(), Vec::new(), Attempts::default());
        for (effect, delivered) in outcomes {
            if !open.contains(&effect.command) {
                // The other instance has finished it.
                if matches!((effect.kind, delivered), (EffectKind::Saga | EffectKind::Ended, Delivered::Accepted(_))) {
                    came_of_them.add(EffectOutcome::Delivered);
                }
                continue;
            }
            let settled = self.bring_back(effect, delivered, &mut instances);
            if let Some(outcome) = settled.outcome(delivered) {
                came_of_them.add(outcome);
            }
            match settled {
                Settled::Done => done.push(effect.command),
                Settled::Again(attempts, next) => {
                    transaction.postpone_effect(&effect.tenant, effect.command, attempts, next).await?;
                }
            }
            if S::HISTORY && matches!(delivered, Delivered::Accepted(_)) && !self.concerns(effect, delivered) {
                let input = HistoryInput::Accepted { name: effect.name.clone(), id: effect.command };
                let entry = HistoryEntry { at: journal.now(), input, effects: Vec::new(), step: None };
                history.push(history_row(effect.saga_id, &entry));
            }
        }
        let tally = write(&mut *transaction, journal, instances.into_all()).await?;
        if !history.is_empty() {
            transaction.add_history(journal.tenant(), S::NAME, history).await?;
        }
        if !done.is_empty() {
            transaction.finish_effects(journal.tenant(), &done).await?;
        }
        transaction.commit().await?;
        self.observer.attempted(S::NAME, &came_of_them);
        if let Some(tally) = tally {
            self.observer.report(S::NAME, &tally);
            self.wake.timers.notify_one();
        }
        Ok(())
    }

    /// Whether the instance has to learn what came of its effect.
    fn concerns(&self, effect: &Effect, delivered: &Delivered) -> bool {
        match delivered {
            Delivered::Failed { permanent, .. } => *permanent || pause(effect.attempts + 1).is_none(),
            Delivered::Rejected(_) => effect.kind != EffectKind::Notice,
            Delivered::Accepted(_) => {
                let awaited = self.handling.course.as_ref().is_some_and(|course| course.awaits(effect));
                let answered = matches!(effect.kind, EffectKind::Command | EffectKind::Call);
                answered && (awaited || self.handling.replies.contains_key(effect.name.as_str()))
            }
        }
    }

    /// Tells the instance what came of its effect.
    fn bring_back(&self, effect: &Effect, delivered: &Delivered, instances: &mut Instances<S>) -> Settled {
        let now = self.journal.now();
        if let Delivered::Failed { reason, permanent } = delivered {
            let attempts = effect.attempts + 1;
            let next = pause(attempts).filter(|_| !permanent).map(|pause| now.plus(pause)).ok_or(reason.clone());
            if let (Err(reason), Some(instance)) = (&next, instances.get(effect.saga_id)) {
                instance.needs_attention(format!("`{}` failed: {reason}", effect.name), now);
            }
            return Settled::Again(attempts, next);
        }
        if !self.concerns(effect, delivered) {
            return Settled::Done;
        }
        let Some(instance) = instances.get(effect.saga_id).filter(|instance| !instance.has_ended()) else {
            tracing::debug!(saga = S::NAME, command = effect.name, "an outcome came after the saga's end");
            return Settled::Done;
        };
        if instance.is_held_up() {
            instance.wait_for_reader(now);
            return Settled::Again(effect.attempts, Ok(now.plus(LATER)));
        }
        let happening = match delivered {
            Delivered::Rejected(error) => Happening::Rejected(effect, error),
            Delivered::Accepted(reply) => Happening::Accepted(effect, reply),
            Delivered::Failed { .. } => return Settled::Done,
        };
        let caused = effect.metadata.caused_by_command(effect.command);
        let context = Context::new(now, &effect.metadata, &self.resources);
        let payloads = self.journal.payloads();
        let runner = Runner { handling: &*self.handling, payloads, tenant: self.journal.tenant() };
        match instance.take(&happening, &context, runner, &caused) {
            Ok(()) => Settled::Done,
            Err(error) => {
                let reason = chain(&error);
                instance.needs_attention(reason.clone(), now);
                Settled::Again(effect.attempts + 1, Err(reason))
            }
        }
    }
}

/// What becomes of an effect.
enum Settled {
    Done,
    /// It is tried again then, or was given up for this reason, after so many attempts.
    Again(u32, Result<Timestamp, String>),
}

impl Settled {
    /// What the attempt has come to; nothing where its answer is only asked for again.
    fn outcome(&self, delivered: &Delivered) -> Option<EffectOutcome> {
        match (self, delivered) {
            (Self::Done, Delivered::Rejected(_)) => Some(EffectOutcome::Rejected),
            (Self::Done, _) => Some(EffectOutcome::Delivered),
            (Self::Again(_, Err(_)), _) => Some(EffectOutcome::Failed),
            (Self::Again(_, Ok(_)), Delivered::Failed { .. }) => Some(EffectOutcome::Retried),
            (Self::Again(_, Ok(_)), _) => None,
        }
    }
}
