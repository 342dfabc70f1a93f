//! Subscriptions in memory.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OwnedMutexGuard;

use crate::message::{Clock, Position, SystemClock, Tag, Timestamp};
use crate::store::error::StoreError;
use crate::store::limits::Limits;
use crate::store::subscriptions::{
    DeliveryCounts, DeliveryRow, DeliveryState, Glance, HeldSubscription, ParkedChange, SubscriptionRow,
    SubscriptionStore,
};

use super::changes::{Changes, Rows};
use super::records::{Named, named};
use super::{MemoryStore, Shared};

/// Subscription and event.
type DeliveryKey = (Named, Position);

/// What was committed.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    rows: Rows<Named, SubscriptionRow>,
    deliveries: Rows<DeliveryKey, DeliveryRow>,
}

impl Subscriptions {
    fn of<'a>(&'a self, name: &'a Named) -> impl Iterator<Item = &'a DeliveryRow> {
        let first = (name.clone(), Position::START);
        self.deliveries.range(first..).take_while(move |((of, _), _)| of == name).map(|(_, row)| row)
    }
}

#[async_trait]
impl SubscriptionStore for MemoryStore {
    async fn hold_subscription(&self, tenant: &str, name: &str) -> Result<Box<dyn HeldSubscription>, StoreError> {
        self.limits.check_subscription(name)?;
        let right = Arc::clone(&self.right_to_subscriptions).lock_owned().await;
        let key = named(tenant, name);
        let row = self.shared.read().subscriptions.rows.get(&key).cloned();
        Ok(Box::new(Held {
            now: if row.is_some() { SystemClock.now() } else { Timestamp::EPOCH },
            row,
            key,
            shared: Arc::clone(&self.shared),
            rows: Changes::default(),
            deliveries: Changes::default(),
            limits: self.limits.clone(),
            _right: right,
        }))
    }

    async fn glance(&self, tenant: &str, name: &str) -> Result<Option<Glance>, StoreError> {
        self.limits.check_subscription(name)?;
        let key = named(tenant, name);
        let state = self.shared.read();
        let Some(row) = state.subscriptions.rows.get(&key).cloned() else { return Ok(None) };
        let open = state.subscriptions.of(&key).filter(|delivery| delivery.state.is_open());
        let next_due = open.map(|delivery| delivery.due).min();
        Ok(Some(Glance { row, now: SystemClock.now(), head: state.events.head(), next_due }))
    }

    async fn list(&self, tenant: &str) -> Result<Vec<SubscriptionRow>, StoreError> {
        let state = self.shared.read();
        let own = state.subscriptions.rows.iter().filter(|((of, _), _)| of == tenant);
        Ok(own.map(|(_, row)| row.clone()).collect())
    }

    async fn counts(&self, tenant: &str, name: &str) -> Result<DeliveryCounts, StoreError> {
        let state = self.shared.read();
        let key = named(tenant, name);
        let mut counts = DeliveryCounts::default();
        for delivery in state.subscriptions.of(&key) {
            match delivery.state {
                DeliveryState::Waiting => counts.waiting += 1,
                DeliveryState::Out => counts.out += 1,
                DeliveryState::Parked => counts.parked += 1,
                DeliveryState::Replaying => counts.replaying += 1,
            }
            if delivery.state.is_open() && !delivery.replayed && counts.lowest.is_none() {
                counts.lowest = Some(delivery.position);
            }
        }
        Ok(counts)
    }

    async fn parked(
        &self,
        tenant: &str,
        name: &str,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let state = self.shared.read();
        let key = named(tenant, name);
        let parked = state.subscriptions.of(&key).filter(|delivery| delivery.state == DeliveryState::Parked);
        Ok(parked.filter(|delivery| delivery.position > after).take(limit).cloned().collect())
    }

    async fn tags(&self, tenant: &str, positions: &[Position]) -> Result<Vec<(Position, Vec<Tag>)>, StoreError> {
        let state = self.shared.read();
        let found = positions.iter().filter_map(|position| Some((*position, state.events.tags_at(tenant, *position)?)));
        Ok(found.collect())
    }
}

struct Held {
    key: Named,
    row: Option<SubscriptionRow>,
    now: Timestamp,
    shared: Arc<Shared>,
    rows: Changes<Named, SubscriptionRow>,
    deliveries: Changes<DeliveryKey, DeliveryRow>,
    limits: Limits,
    _right: OwnedMutexGuard<()>,
}

impl Held {
    fn of_state(&self, wanted: impl Fn(DeliveryState) -> bool) -> Vec<DeliveryRow> {
        let first = (self.key.clone(), Position::START);
        let committed = self.shared.read();
        let own = self.deliveries.run(&committed.subscriptions.deliveries, &first, |(of, _)| *of == self.key);
        own.into_values().filter(|delivery| wanted(delivery.state)).collect()
    }
}

#[async_trait]
impl HeldSubscription for Held {
    fn row(&self) -> Option<&SubscriptionRow> {
        self.row.as_ref()
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    async fn create(&mut self, row: &SubscriptionRow) -> Result<bool, StoreError> {
        if self.row.is_some() {
            return Ok(false);
        }
        let there = self.shared.read().subscriptions.rows.keys().filter(|(of, _)| *of == self.key.0).count();
        self.limits.check_subscriptions(there + 1)?;
        self.rows.put(self.key.clone(), row.clone());
        Ok(true)
    }

    async fn update(&mut self, row: &SubscriptionRow) -> Result<(), StoreError> {
        self.rows.put(self.key.clone(), row.clone());
        Ok(())
    }

    async fn remove(&mut self) -> Result<(), StoreError> {
        self.rows.remove(self.key.clone());
        for delivery in self.of_state(|_| true) {
            self.deliveries.remove((self.key.clone(), delivery.position));
        }
        Ok(())
    }

    async fn open(&mut self) -> Result<Vec<DeliveryRow>, StoreError> {
        Ok(self.of_state(DeliveryState::is_open))
    }

    async fn replaying(&mut self, limit: usize) -> Result<Vec<DeliveryRow>, StoreError> {
        let mut found = self.of_state(|state| state == DeliveryState::Replaying);
        found.truncate(limit);
        Ok(found)
    }

    async fn put(&mut self, deliveries: &[DeliveryRow]) -> Result<(), StoreError> {
        for delivery in deliveries {
            self.deliveries.put((self.key.clone(), delivery.position), delivery.clone());
        }
        Ok(())
    }

    async fn take_away(&mut self, positions: &[Position]) -> Result<(), StoreError> {
        for position in positions {
            self.deliveries.remove((self.key.clone(), *position));
        }
        Ok(())
    }

    async fn change_parked(
        &mut self,
        change: ParkedChange,
        first: Position,
        last: Position,
        limit: u64,
    ) -> Result<u64, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let parked = self.of_state(|state| state == DeliveryState::Parked).into_iter();
        let chosen = parked.filter(|delivery| (first..=last).contains(&delivery.position)).take(limit);
        let mut changed = 0;
        for delivery in chosen {
            changed += 1;
            let key = (self.key.clone(), delivery.position);
            match change {
                ParkedChange::Discard => self.deliveries.remove(key),
                ParkedChange::Replay => {
                    self.deliveries.put(key, DeliveryRow { state: DeliveryState::Replaying, ..delivery });
                }
            }
        }
        Ok(changed)
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        let subscriptions = &mut self.shared.write().subscriptions;
        self.rows.commit_to(&mut subscriptions.rows);
        self.deliveries.commit_to(&mut subscriptions.deliveries);
        Ok(())
    }
}
