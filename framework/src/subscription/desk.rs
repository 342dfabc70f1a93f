//! Transactions over a subscription: take the right to it, apply its rules, write what they say.

use std::sync::Arc;

use crate::store::Journal;
use crate::store::subscriptions::{Glance, HeldSubscription, SubscriptionRow};

use super::ahead::{Hub, Shared};
use super::book::{Book, Written};
use super::config::SubscriptionConfig;
use super::error::SubscriptionError;
use super::roster::Roster;

/// Where subscriptions are looked at and changed.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    pub(super) journal: Journal,
    pub(super) hub: Hub,
}

/// A subscription that nobody else changes meanwhile. Dropping it changes nothing.
pub(super) struct Open {
    held: Box<dyn HeldSubscription>,
    before: SubscriptionRow,
    pub(super) book: Book,
}

impl Desk {
    pub(super) async fn glance(&self, name: &str) -> Result<Option<Glance>, SubscriptionError> {
        Ok(self.journal.store().subscriptions().glance(self.journal.tenant(), name).await?)
    }

    /// The right to the subscription `name`, whether it exists or not.
    pub(super) async fn hold(&self, name: &str) -> Result<Box<dyn HeldSubscription>, SubscriptionError> {
        Ok(self.journal.store().subscriptions().hold_subscription(self.journal.tenant(), name).await?)
    }

    /// The right to the subscription `name`, with everything that is under way; `None` if it does not exist.
    pub(super) async fn open(&self, name: &str) -> Result<Option<Open>, SubscriptionError> {
        let mut held = self.hold(name).await?;
        let Some(row) = held.row().cloned() else { return Ok(None) };
        let open = held.open().await?;
        let (config, roster) = (settings(&row)?, roster(&row)?);
        let book = Book::new(row.clone(), config, roster, held.now(), open);
        Ok(Some(Open { held, before: row, book }))
    }

    /// The same, of a subscription that is to exist.
    pub(super) async fn open_existing(&self, name: &str) -> Result<Open, SubscriptionError> {
        self.open(name).await?.ok_or_else(|| SubscriptionError::NotFound { name: name.to_owned() })
    }

    pub(super) fn shared(&self, name: &str) -> Arc<Shared> {
        self.hub.of(name)
    }
}

impl Open {
    /// Has parked events that are to be given out again wait for `consumer`, as far as it has room.
    pub(super) async fn bring_replays(&mut self, consumer: &str, room: usize) -> Result<(), SubscriptionError> {
        let wanted = self.book.room_for_replays(consumer, room);
        if wanted > 0 {
            let parked = self.held.replaying(wanted).await?;
            self.book.replay(parked, wanted);
        }
        Ok(())
    }

    /// The transaction itself, for what is not a rule.
    pub(super) fn held(&mut self) -> &mut dyn HeldSubscription {
        &mut *self.held
    }

    /// Writes what has changed and makes it permanent.
    pub(super) async fn commit(mut self) -> Result<(), SubscriptionError> {
        let name = self.before.name.clone();
        let unreadable = |source| SubscriptionError::Unreadable { name, source };
        let Written { row, put, removed } = self.book.written().map_err(unreadable)?;
        self.held.take_away(&removed).await?;
        self.held.put(&put).await?;
        if row != self.before {
            self.held.update(&row).await?;
        }
        Ok(self.held.commit().await?)
    }
}

/// The settings of the subscription `row`.
pub(super) fn settings(row: &SubscriptionRow) -> Result<SubscriptionConfig, SubscriptionError> {
    serde_json::from_str(&row.settings).map_err(|source| unreadable(row, source))
}

/// The consumers of the subscription `row`.
pub(super) fn roster(row: &SubscriptionRow) -> Result<Roster, SubscriptionError> {
    serde_json::from_str(&row.consumers).map_err(|source| unreadable(row, source))
}

fn unreadable(row: &SubscriptionRow, source: serde_json::Error) -> SubscriptionError {
    SubscriptionError::Unreadable { name: row.name.clone(), source }
}
