//! One turn of a consumer: it gives answers to the database and takes events from it, both in one transaction.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::time::Instant;

use crate::message::Position;
use crate::store::subscriptions::{DeliveryRow, Glance};

use super::ahead::View;
use super::book::{Answered, Book, Verdict};
use super::config::{Strategy, SubscriptionConfig};
use super::delivery::{Answer, Delivery};
use super::desk::{roster, settings};
use super::driver::{Driver, Held};
use super::error::{AnswerError, ConsumeError, SubscriptionError};
use super::event::SubscribedEvent;
use super::load::load;
use super::roster::{Roster, Standing};

/// How far, and how long, a subscription may lag behind what it has passed over without a match.
const LAG: (u64, Duration) = (1_000, Duration::from_secs(1));

/// What a turn has led to.
pub(super) enum Turn {
    Again,
    Wait(Duration),
    Over(ConsumeError),
}

impl Driver {
    /// Writes answers and takes events, if there is anything to write or to take.
    pub(super) async fn turn(&mut self) -> Result<Turn, SubscriptionError> {
        let answered = self.state.pending.iter().filter(|answer| self.state.held.contains_key(&answer.number)).count();
        let room = self.room(answered);
        self.state.looked = Some(Instant::now());
        let Some(glance) = self.desk.glance(&self.name).await? else { return Ok(self.removed()) };
        if glance.row.generation != self.generation {
            return Ok(self.removed());
        }
        let (config, roster) = (settings(&glance.row)?, roster(&glance.row)?);
        // One that is about to end takes nothing more.
        let ends = self.state.pending.iter().any(|answer| answer.stops);
        let active = config.strategy != Strategy::Single || roster.is_first(&self.id, glance.now);
        let room = if active && !ends { room } else { 0 };
        let view = match room {
            0 => None,
            room => Some(self.shared.look(&self.desk.journal, &glance, &config, room).await?),
        };
        if !self.has_work(&glance, &config, &roster, view.as_ref()) {
            let next = glance.next_due.map(|due| due.since(glance.now)).filter(|_| room > 0);
            return Ok(self.wait(&config, next));
        }
        self.exchange(&config, room, view, glance.row.position).await
    }

    fn has_work(&self, glance: &Glance, config: &SubscriptionConfig, roster: &Roster, view: Option<&View>) -> bool {
        if !self.state.pending.is_empty()
            || self.state.in_doubt
            || roster.standing(&self.id) != Standing::There
            || roster.is_stale(&self.id, glance.now, config.consumer_time)
        {
            return true;
        }
        let Some(view) = view else { return false };
        let due = glance.next_due.is_some_and(|due| due <= glance.now);
        let behind = view.to.get().saturating_sub(glance.row.position.get());
        let long_ago = self.state.advanced.is_none_or(|advanced| advanced.elapsed() >= LAG.1);
        due || glance.row.replaying > 0 || !view.events.is_empty() || behind >= LAG.0 || (behind > 0 && long_ago)
    }

    fn wait(&self, config: &SubscriptionConfig, next: Option<Duration>) -> Turn {
        let wait = self.config.poll.min(config.consumer_time / 3);
        Turn::Wait(next.map_or(wait, |next| wait.min(next.max(Duration::from_millis(1)))))
    }

    pub(super) fn removed(&mut self) -> Turn {
        for answer in std::mem::take(&mut self.state.pending) {
            let position = answer.position;
            answer.reply(Err(AnswerError::Lost { position }));
        }
        Turn::Over(ConsumeError::Removed { name: self.name.clone() })
    }

    /// One transaction: the answers, what is over its time, new events.
    async fn exchange(
        &mut self,
        config: &SubscriptionConfig,
        room: usize,
        view: Option<View>,
        seen: Position,
    ) -> Result<Turn, SubscriptionError> {
        let opened = self.desk.open(&self.name).await?.filter(|open| open.book.row.generation == self.generation);
        let Some(mut open) = opened else { return Ok(self.removed()) };
        let outcomes = self.apply_answers(&mut open.book);
        let held: HashSet<u64> = self.state.held.keys().copied().collect();
        let book = &mut open.book;
        let alive = book.roster.alive(book.now).count();
        let over = match book.roster.standing(&self.id) {
            Standing::Dropped => Some(ConsumeError::Dropped { name: self.name.clone() }),
            Standing::Unknown if alive >= book.config.consumers => {
                Some(ConsumeError::Replaced { name: self.name.clone() })
            }
            _ => None,
        };
        if over.is_none() {
            let (now, time) = (book.now, book.config.consumer_time);
            if book.roster.is_stale(&self.id, now, time) {
                book.roster.hear(&self.id, &self.config.label, now, time);
            }
            book.expire();
            book.reclaim(&self.id, &held);
        }
        // Others have taken events since this consumer has looked.
        let overtaken = book.row.position != seen && view.is_some();
        let mut taken = Vec::new();
        if let (None, Some(view)) = (&over, &view) {
            open.bring_replays(&self.id, room).await?;
            let book = &mut open.book;
            let known = book.row.revision == view.revision && book.row.position >= view.from;
            let (events, to) = if known { (&*view.events, view.to) } else { (&[][..], book.row.position) };
            taken = book.take(&self.id, room, events, to);
        }
        let (next, has_more) = (open.book.next(), open.book.has_more());
        let freed = !outcomes.is_empty();
        self.state.in_doubt = true;
        if let Err(error) = open.commit().await {
            self.state.pending.iter_mut().for_each(|answer| answer.tried = true);
            return Err(error);
        }
        self.state.advanced = Some(Instant::now());
        self.settle(outcomes);
        if freed || (has_more && taken.len() >= room) {
            self.shared.wake();
        }
        if let Some(error) = over {
            return Ok(Turn::Over(error));
        }
        let count = taken.len();
        self.give(config, taken, view).await?;
        self.state.in_doubt = false;
        if count > 0 || overtaken || !self.state.pending.is_empty() {
            return Ok(Turn::Again);
        }
        Ok(self.wait(config, next))
    }

    pub(super) fn apply_answers(&self, book: &mut Book) -> Vec<Result<(), AnswerError>> {
        let pending = self.state.pending.iter();
        let outcomes = pending.map(|answer| {
            match book.answer(answer.position, answer.number, answer.verdict.clone()) {
                Answered::Taken => Ok(()),
                // The commit before this one was in doubt, and has been successful.
                Answered::Closed if answer.tried => Ok(()),
                Answered::Closed | Answered::Lost => Err(AnswerError::Lost { position: answer.position }),
            }
        });
        outcomes.collect()
    }

    /// The answers are written.
    pub(super) fn settle(&mut self, outcomes: Vec<Result<(), AnswerError>>) {
        for (answer, outcome) in std::mem::take(&mut self.state.pending).into_iter().zip(outcomes) {
            self.state.held.remove(&answer.number);
            self.state.stopping |= answer.stops;
            answer.reply(outcome);
        }
    }

    /// Answers whose time is over while the database did not answer.
    pub(super) fn give_up_late(&mut self, error: &SubscriptionError) {
        let (late, pending) = std::mem::take(&mut self.state.pending)
            .into_iter()
            .partition(|answer: &Answer| answer.deadline <= Instant::now());
        self.state.pending = pending;
        for answer in late {
            self.state.stopping |= answer.stops;
            let (position, reason) = (answer.position, described(error));
            answer.reply(Err(AnswerError::Unavailable { position, reason }));
        }
    }

    /// Hands over what was taken. What cannot be read now is taken back with the next turn, since nobody holds it.
    async fn give(
        &mut self,
        config: &SubscriptionConfig,
        taken: Vec<DeliveryRow>,
        view: Option<View>,
    ) -> Result<(), SubscriptionError> {
        if taken.is_empty() {
            return Ok(());
        }
        let deadline = Instant::now() + config.message_time;
        let mut content = view.map(|view| view.content).unwrap_or_default();
        let missing = taken.iter().map(|row| row.position).filter(|position| !content.contains_key(position));
        let mut missing: Vec<Position> = missing.collect();
        missing.sort_unstable();
        content.extend(load(&self.desk.journal, &missing).await?);
        let filter = Arc::new(config.filter.clone());
        for row in taken {
            let (position, number) = (row.position, row.number);
            let Some(event) = content.get(&position) else {
                self.pass_over(position, number, deadline);
                continue;
            };
            let seen = Arc::new(AtomicBool::new(false));
            self.state.held.insert(number, Held { deadline, seen: Arc::clone(&seen) });
            let event = SubscribedEvent::new(Arc::clone(event), self.desk.journal.clone(), Arc::clone(&filter));
            let delivery = Delivery::new(event, row, deadline, seen, self.answering.clone());
            if self.given.try_send(delivery).is_err() {
                // The consumer has just gone.
                return Ok(());
            }
        }
        Ok(())
    }

    /// An event that was removed from the log since it was taken is given to nobody.
    fn pass_over(&mut self, position: Position, number: u64, deadline: Instant) {
        tracing::info!(subscription = %self.name, %position, "an event was removed from the log before it was given out");
        let seen = Arc::new(AtomicBool::new(true));
        self.state.held.insert(number, Held { deadline, seen });
        let verdict = Verdict::Done;
        self.state.pending.push(Answer {
            position,
            number,
            verdict,
            stops: false,
            deadline,
            tried: false,
            reply: None,
        });
    }
}

/// `error` with its causes.
fn described(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}
