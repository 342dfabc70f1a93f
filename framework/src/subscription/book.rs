//! The rules of a subscription, on its rows in hand. Nothing here asks a database or a clock.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use crate::message::{Position, Timestamp};
use crate::store::subscriptions::{DeliveryRow, DeliveryState, SubscriptionRow};

use super::config::{Strategy, SubscriptionConfig};
use super::roster::{Roster, Standing};

/// Bytes of a reason that are kept.
const REASON: usize = 4 << 10;

/// A subscription for the length of a transaction.
pub(super) struct Book {
    pub(super) row: SubscriptionRow,
    pub(super) config: SubscriptionConfig,
    pub(super) roster: Roster,
    pub(super) now: Timestamp,
    open: BTreeMap<Position, DeliveryRow>,
    changed: BTreeMap<Position, DeliveryRow>,
    removed: BTreeSet<Position>,
}

/// An event that was read ahead: where it stands, and what it must not overtake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ahead {
    pub(super) position: Position,
    pub(super) sequence: String,
}

/// What a consumer says of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is done.
    Done,
    /// It has failed; the pause before the next attempt, if not as the settings say.
    Retry(Option<Duration>),
    /// It goes to the operator.
    Park(String),
    /// The consumer has not seen it.
    Unseen,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    Taken,
    /// The event is with another consumer, or waits for one.
    Lost,
    /// The event was answered for good, or is parked.
    Closed,
}

/// What is to be written.
pub(super) struct Written {
    pub(super) row: SubscriptionRow,
    pub(super) put: Vec<DeliveryRow>,
    pub(super) removed: Vec<Position>,
}

impl Book {
    pub(super) fn new(
        row: SubscriptionRow,
        config: SubscriptionConfig,
        roster: Roster,
        now: Timestamp,
        open: Vec<DeliveryRow>,
    ) -> Self {
        let open = open.into_iter().map(|delivery| (delivery.position, delivery)).collect();
        Self { row, config, roster, now, open, changed: BTreeMap::new(), removed: BTreeSet::new() }
    }

    /// Takes the answer for the delivery `number` of the event at `position`.
    pub(super) fn answer(&mut self, position: Position, number: u64, verdict: Verdict) -> Answered {
        let Some(delivery) = self.open.get(&position) else { return Answered::Closed };
        if delivery.state != DeliveryState::Out || delivery.number != number {
            return Answered::Lost;
        }
        match verdict {
            Verdict::Done => self.close(position),
            Verdict::Retry(pause) => self.fail(position, "the consumer asked for another attempt", pause),
            Verdict::Park(reason) => self.park(position, reason),
            Verdict::Unseen => self.give_back(position),
        }
        Answered::Taken
    }

    /// Takes back what was not answered in time, and what gone consumers have.
    pub(super) fn expire(&mut self) {
        self.roster.prune(self.now);
        for (position, consumer, due) in self.out() {
            if due <= self.now {
                let reason = format!("no answer within {:?}", self.config.message_time);
                self.fail(position, &reason, Some(Duration::ZERO));
            } else if !self.roster.is_alive(&consumer, self.now) {
                self.fail(position, "its consumer is gone", Some(Duration::ZERO));
            }
        }
    }

    /// Takes back what `consumer` was given and never got to know of: `held` is what it knows of.
    pub(super) fn reclaim(&mut self, consumer: &str, held: &HashSet<u64>) {
        for (position, by, _) in self.out() {
            let unknown = |delivery: &DeliveryRow| by == consumer && !held.contains(&delivery.number);
            if self.open.get(&position).is_some_and(unknown) {
                self.give_back(position);
            }
        }
    }

    /// Takes back everything that `consumer` has, which is gone. Of what it has not seen no attempt is counted.
    pub(super) fn leave(&mut self, consumer: &str, unseen: &HashSet<u64>) {
        for (position, by, _) in self.out() {
            if by != consumer {
                continue;
            }
            if self.open.get(&position).is_some_and(|delivery| unseen.contains(&delivery.number)) {
                self.give_back(position);
            } else {
                self.fail(position, "its consumer has ended", Some(Duration::ZERO));
            }
        }
        self.roster.remove(consumer);
    }

    /// How many events that were parked can be given out again now, if `consumer` has this much room.
    pub(super) fn room_for_replays(&self, consumer: &str, room: usize) -> usize {
        if self.row.replaying == 0 || !self.may_take(consumer) {
            return 0;
        }
        room.min(self.config.in_flight.saturating_sub(self.open.len()))
    }

    /// Has events that were parked wait again, of which `wanted` were asked for.
    pub(super) fn replay(&mut self, parked: Vec<DeliveryRow>, wanted: usize) {
        let found = parked.len();
        let left = self.row.replaying.saturating_sub(found as u64);
        self.row.replaying = if found < wanted { 0 } else { left };
        for delivery in parked {
            let again =
                DeliveryRow { state: DeliveryState::Waiting, attempts: 0, due: self.now, replayed: true, ..delivery };
            self.put(again);
        }
    }

    /// Gives `consumer` up to `room` events: those that were parked first, then the others by position. `ahead` is every
    /// event that matches behind the one up to which the subscription has come, up to `ahead_to`.
    pub(super) fn take(
        &mut self,
        consumer: &str,
        room: usize,
        ahead: &[Ahead],
        ahead_to: Position,
    ) -> Vec<DeliveryRow> {
        let mut taken = Vec::new();
        if room == 0 || !self.may_take(consumer) {
            return taken;
        }
        let pinned = self.config.strategy.is_pinned();
        let out = self.open.values().filter(|delivery| pinned && delivery.state == DeliveryState::Out);
        let mut busy: HashSet<String> = out.map(|delivery| delivery.sequence.clone()).collect();
        for position in self.waiting() {
            let Some(delivery) = self.open.get(&position) else { continue };
            if pinned && !busy.insert(delivery.sequence.clone()) {
                continue;
            }
            if taken.len() < room && delivery.due <= self.now {
                taken.extend(self.give(position, consumer));
            }
        }
        for event in ahead.iter().filter(|event| event.position > self.row.position).collect::<Vec<_>>() {
            if taken.len() >= room || self.open.len() >= self.config.in_flight {
                return taken;
            }
            self.row.position = event.position;
            self.put(DeliveryRow {
                position: event.position,
                sequence: event.sequence.clone(),
                state: DeliveryState::Waiting,
                attempts: 0,
                number: 0,
                consumer: String::new(),
                due: self.now,
                replayed: false,
                reason: None,
            });
            if !pinned || busy.insert(event.sequence.clone()) {
                taken.extend(self.give(event.position, consumer));
            }
        }
        self.row.position = self.row.position.max(ahead_to);
        taken
    }

    /// How long until something happens by itself.
    pub(super) fn next(&self) -> Option<Duration> {
        let waits = |delivery: &&DeliveryRow| delivery.state == DeliveryState::Out || delivery.due > self.now;
        let next = self.open.values().filter(waits).map(|delivery| delivery.due).min();
        next.map(|due| due.since(self.now))
    }

    /// Whether something waits that somebody could take now.
    pub(super) fn has_more(&self) -> bool {
        let due = |delivery: &DeliveryRow| delivery.state == DeliveryState::Waiting && delivery.due <= self.now;
        self.row.replaying > 0 || self.open.values().any(due)
    }

    /// What is to be written; the roster goes into the row.
    pub(super) fn written(mut self) -> Result<Written, serde_json::Error> {
        self.row.consumers = serde_json::to_string(&self.roster)?;
        Ok(Written {
            row: self.row,
            put: self.changed.into_values().collect(),
            removed: self.removed.into_iter().collect(),
        })
    }

    fn may_take(&self, consumer: &str) -> bool {
        match self.config.strategy {
            Strategy::Single => self.roster.is_first(consumer, self.now),
            _ => self.roster.standing(consumer) == Standing::There,
        }
    }

    fn out(&self) -> Vec<(Position, String, Timestamp)> {
        let out = self.open.values().filter(|delivery| delivery.state == DeliveryState::Out);
        out.map(|delivery| (delivery.position, delivery.consumer.clone(), delivery.due)).collect()
    }

    /// What waits, in the order in which it is given out.
    fn waiting(&self) -> Vec<Position> {
        let waiting = self.open.values().filter(|delivery| delivery.state == DeliveryState::Waiting);
        let mut waiting: Vec<_> = waiting.map(|delivery| (!delivery.replayed, delivery.position)).collect();
        waiting.sort_unstable();
        waiting.into_iter().map(|(_, position)| position).collect()
    }

    fn give(&mut self, position: Position, consumer: &str) -> Option<DeliveryRow> {
        let mut delivery = self.open.get(&position)?.clone();
        self.row.number += 1;
        delivery.state = DeliveryState::Out;
        delivery.attempts = delivery.attempts.saturating_add(1);
        delivery.number = self.row.number;
        consumer.clone_into(&mut delivery.consumer);
        delivery.due = self.now.plus(self.config.message_time);
        self.put(delivery.clone());
        Some(delivery)
    }

    /// Has it wait as if it had not been given out.
    fn give_back(&mut self, position: Position) {
        self.change(position, |delivery, now| {
            delivery.state = DeliveryState::Waiting;
            delivery.attempts = delivery.attempts.saturating_sub(1);
            delivery.due = now;
        });
    }

    fn fail(&mut self, position: Position, reason: &str, pause: Option<Duration>) {
        let Some(attempts) = self.open.get(&position).map(|delivery| delivery.attempts) else { return };
        if attempts > self.config.retries {
            let times = if attempts == 1 { "once".to_owned() } else { format!("{attempts} times") };
            return self.park(position, format!("given out {times}, the last time: {reason}"));
        }
        let pause = pause.unwrap_or_else(|| self.config.pause_after(attempts));
        self.change(position, |delivery, now| {
            delivery.state = DeliveryState::Waiting;
            delivery.due = now.plus(pause);
            delivery.reason = Some(reason.to_owned());
        });
    }

    fn park(&mut self, position: Position, reason: String) {
        self.change(position, |delivery, now| {
            delivery.state = DeliveryState::Parked;
            delivery.due = now;
            delivery.reason = Some(shortened(reason, REASON));
        });
        self.open.remove(&position);
    }

    fn close(&mut self, position: Position) {
        self.open.remove(&position);
        self.changed.remove(&position);
        self.removed.insert(position);
    }

    fn change(&mut self, position: Position, change: impl FnOnce(&mut DeliveryRow, Timestamp)) {
        if let Some(mut delivery) = self.open.get(&position).cloned() {
            change(&mut delivery, self.now);
            self.put(delivery);
        }
    }

    fn put(&mut self, delivery: DeliveryRow) {
        self.open.insert(delivery.position, delivery.clone());
        self.changed.insert(delivery.position, delivery);
    }
}

/// `text` without zero characters, which no database keeps, and with at most `bytes` bytes.
pub(super) fn shortened(text: String, bytes: usize) -> String {
    let mut text = if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
    if text.len() > bytes {
        let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests;
