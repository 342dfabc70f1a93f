//! How a subscription is doing.

use crate::message::{Position, Timestamp};
use crate::store::subscriptions::{DeliveryCounts, DeliveryRow, Glance};

use super::config::SubscriptionConfig;
use super::desk::{roster, settings};
use super::error::SubscriptionError;
use super::event::SubscribedEvent;

/// How a subscription is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionStatus {
    /// Its name.
    pub name: String,
    /// Its settings.
    pub config: SubscriptionConfig,
    /// The position up to which events were taken from the log.
    pub position: Position,
    /// The checkpoint: every event up to here was answered, is parked, or does not match. Events that were parked and are
    /// given out again do not move it back.
    pub checkpoint: Position,
    /// The newest position of the store.
    pub head: Position,
    /// Events that wait: for a consumer with room, for their retry, or behind others of their sequence.
    pub waiting: u64,
    /// Events that consumers have.
    pub out: u64,
    /// Events that are parked.
    pub parked: u64,
    /// Events that were parked and are about to be given out again.
    pub replaying: u64,
    /// The consumers, in the order in which they came.
    pub consumers: Vec<ConsumerStatus>,
}

/// A consumer of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerStatus {
    /// Its id.
    pub id: String,
    /// What its settings call it.
    pub label: String,
}

/// An event that was put aside.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ParkedEvent {
    /// Where it stands in the log.
    pub position: Position,
    /// Why it was parked.
    pub reason: String,
    /// How often it was given out.
    pub attempts: u32,
    /// When it was parked, by the clock of the database.
    pub since: Timestamp,
    /// Whether it was parked before.
    pub was_parked: bool,
    /// The event; `None` if it was removed from the log meanwhile.
    pub event: Option<SubscribedEvent>,
}

/// Which parked events are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parked {
    /// All of them.
    All,
    /// So many, those with the lowest positions.
    First(u64),
    /// The one at this position.
    At(Position),
}

impl SubscriptionStatus {
    pub(super) fn new(glance: Glance, counts: DeliveryCounts) -> Result<Self, SubscriptionError> {
        let roster = roster(&glance.row)?;
        let alive = roster.alive(glance.now);
        let consumers = alive.map(|entry| ConsumerStatus { id: entry.id.clone(), label: entry.label.clone() });
        let lowest = counts.lowest.map(|lowest| Position::new(lowest.get().saturating_sub(1)));
        let position = glance.row.position;
        Ok(Self {
            config: settings(&glance.row)?,
            consumers: consumers.collect(),
            name: glance.row.name,
            position,
            checkpoint: lowest.map_or(position, |lowest| lowest.min(position)),
            head: glance.head,
            waiting: counts.waiting,
            out: counts.out,
            parked: counts.parked,
            replaying: counts.replaying,
        })
    }
}

impl ParkedEvent {
    pub(super) fn new(row: DeliveryRow, event: Option<SubscribedEvent>) -> Self {
        Self {
            position: row.position,
            reason: row.reason.unwrap_or_default(),
            attempts: row.attempts,
            since: row.due,
            was_parked: row.replayed,
            event,
        }
    }
}

impl Parked {
    /// The positions that are meant, and how many at most.
    pub(super) fn range(self) -> (Position, Position, u64) {
        let last = Position::new(i64::MAX.unsigned_abs());
        match self {
            Self::All => (Position::START, last, i64::MAX.unsigned_abs()),
            Self::First(count) => (Position::START, last, count),
            Self::At(position) => (position, position, 1),
        }
    }
}
