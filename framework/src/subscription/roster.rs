//! The consumers of a subscription, as they are stored with it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::message::Timestamp;

/// In the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Roster(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) label: String,
    /// Unless it is heard of again, it counts as gone from this instant on, in microseconds by the clock of the database.
    until: i64,
    /// An operator has dropped it. The entry stays until the consumer has learned of it.
    #[serde(default)]
    dropped: bool,
}

/// What became of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is there.
    There,
    /// It is not known, or no longer.
    Unknown,
    /// An operator has dropped it.
    Dropped,
}

impl Roster {
    pub(super) fn standing(&self, id: &str) -> Standing {
        match self.0.iter().find(|entry| entry.id == id) {
            None => Standing::Unknown,
            Some(entry) if entry.dropped => Standing::Dropped,
            Some(_) => Standing::There,
        }
    }

    /// Those that count, in the order in which they came.
    pub(super) fn alive(&self, now: Timestamp) -> impl Iterator<Item = &Entry> {
        self.0.iter().filter(move |entry| !entry.dropped && entry.until > now.as_micros())
    }

    pub(super) fn is_alive(&self, id: &str, now: Timestamp) -> bool {
        self.alive(now).any(|entry| entry.id == id)
    }

    /// Whether `id` has been there longest.
    pub(super) fn is_first(&self, id: &str, now: Timestamp) -> bool {
        self.alive(now).next().is_some_and(|first| first.id == id)
    }

    /// Whether `id` is to be heard of again, so that it does not count as gone after `time`.
    pub(super) fn is_stale(&self, id: &str, now: Timestamp, time: Duration) -> bool {
        let fresh = now.plus(time / 2).as_micros();
        self.0.iter().find(|entry| entry.id == id).is_none_or(|entry| entry.until < fresh)
    }

    /// Hears of `id`; one that is not there comes last.
    pub(super) fn hear(&mut self, id: &str, label: &str, now: Timestamp, time: Duration) {
        let until = now.plus(time).as_micros();
        match self.0.iter_mut().find(|entry| entry.id == id) {
            Some(entry) => entry.until = until,
            None => self.0.push(Entry { id: id.to_owned(), label: label.to_owned(), until, dropped: false }),
        }
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.0.retain(|entry| entry.id != id);
    }

    /// Drops `id`; returns whether it was there.
    pub(super) fn drop_out(&mut self, id: &str, now: Timestamp) -> bool {
        let found = self.0.iter_mut().find(|entry| entry.id == id && !entry.dropped && entry.until > now.as_micros());
        found.map(|entry| entry.dropped = true).is_some()
    }

    /// Forgets those that are gone.
    pub(super) fn prune(&mut self, now: Timestamp) {
        self.0.retain(|entry| entry.until > now.as_micros());
    }
}
