//! Subscriptions with a fault.

use std::sync::Arc;

use annals::message::{Position, Tag, Timestamp};
use annals::store::subscriptions::{
    DeliveryCounts, DeliveryRow, Glance, HeldSubscription, ParkedChange, SubscriptionRow, SubscriptionStore,
};
use annals::store::{MemoryStore, StoreError};
use async_trait::async_trait;

use super::Fault;

pub(super) struct BrokenSubscriptions {
    pub(super) inner: Arc<MemoryStore>,
    pub(super) fault: Fault,
}

impl BrokenSubscriptions {
    fn tenant<'t>(&self, tenant: &'t str) -> &'t str {
        if self.fault == Fault::SharesSubscriptions { "" } else { tenant }
    }
}

#[async_trait]
impl SubscriptionStore for BrokenSubscriptions {
    async fn hold_subscription(&self, tenant: &str, name: &str) -> Result<Box<dyn HeldSubscription>, StoreError> {
        let tenant = self.tenant(tenant);
        let held = self.inner.hold_subscription(tenant, name).await?;
        let place = (Arc::clone(&self.inner), tenant.to_owned(), name.to_owned());
        if self.fault == Fault::CommitsStepByStep {
            let (row, now) = (held.row().cloned(), held.now());
            return Ok(Box::new(StepByStep { place, row, now }));
        }
        Ok(Box::new(BrokenHeld { inner: held, fault: self.fault }))
    }

    async fn glance(&self, tenant: &str, name: &str) -> Result<Option<Glance>, StoreError> {
        let mut glance = self.inner.glance(self.tenant(tenant), name).await?;
        if let (Fault::StopsTheClock, Some(glance)) = (self.fault, &mut glance) {
            glance.now = Timestamp::from_micros(1_800_000_000_000_000);
        }
        Ok(glance)
    }

    async fn list(&self, tenant: &str) -> Result<Vec<SubscriptionRow>, StoreError> {
        self.inner.list(self.tenant(tenant)).await
    }

    async fn counts(&self, tenant: &str, name: &str) -> Result<DeliveryCounts, StoreError> {
        self.inner.counts(self.tenant(tenant), name).await
    }

    async fn parked(
        &self,
        tenant: &str,
        name: &str,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        self.inner.parked(self.tenant(tenant), name, after, limit).await
    }

    async fn tags(&self, tenant: &str, positions: &[Position]) -> Result<Vec<(Position, Vec<Tag>)>, StoreError> {
        self.inner.tags(tenant, positions).await
    }
}

struct BrokenHeld {
    inner: Box<dyn HeldSubscription>,
    fault: Fault,
}

#[async_trait]
impl HeldSubscription for BrokenHeld {
    fn row(&self) -> Option<&SubscriptionRow> {
        self.inner.row()
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    async fn create(&mut self, row: &SubscriptionRow) -> Result<bool, StoreError> {
        self.inner.create(row).await
    }

    async fn update(&mut self, row: &SubscriptionRow) -> Result<(), StoreError> {
        self.inner.update(row).await
    }

    async fn remove(&mut self) -> Result<(), StoreError> {
        let left = self.inner.open().await?;
        self.inner.remove().await?;
        if self.fault == Fault::LeavesDeliveries { self.inner.put(&left).await } else { Ok(()) }
    }

    async fn open(&mut self) -> Result<Vec<DeliveryRow>, StoreError> {
        self.inner.open().await
    }

    async fn replaying(&mut self, limit: usize) -> Result<Vec<DeliveryRow>, StoreError> {
        self.inner.replaying(limit).await
    }

    async fn put(&mut self, deliveries: &[DeliveryRow]) -> Result<(), StoreError> {
        let mut deliveries = deliveries.to_vec();
        if self.fault == Fault::ForgetsReasons {
            deliveries.iter_mut().for_each(|delivery| delivery.reason = None);
        }
        self.inner.put(&deliveries).await
    }

    async fn take_away(&mut self, positions: &[Position]) -> Result<(), StoreError> {
        self.inner.take_away(positions).await
    }

    async fn change_parked(
        &mut self,
        change: ParkedChange,
        first: Position,
        last: Position,
        limit: u64,
    ) -> Result<u64, StoreError> {
        let limit = if self.fault == Fault::ReplaysTooMuch { u64::MAX } else { limit };
        self.inner.change_parked(change, first, last, limit).await
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.inner.commit().await
    }
}

/// Each step is a transaction of its own.
struct StepByStep {
    place: (Arc<MemoryStore>, String, String),
    row: Option<SubscriptionRow>,
    now: Timestamp,
}

impl StepByStep {
    async fn held(&self) -> Result<Box<dyn HeldSubscription>, StoreError> {
        self.place.0.hold_subscription(&self.place.1, &self.place.2).await
    }
}

#[async_trait]
impl HeldSubscription for StepByStep {
    fn row(&self) -> Option<&SubscriptionRow> {
        self.row.as_ref()
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    async fn create(&mut self, row: &SubscriptionRow) -> Result<bool, StoreError> {
        self.update(row).await?;
        Ok(self.row.is_none())
    }

    async fn update(&mut self, row: &SubscriptionRow) -> Result<(), StoreError> {
        let mut held = self.held().await?;
        held.update(row).await?;
        held.commit().await
    }

    async fn remove(&mut self) -> Result<(), StoreError> {
        let mut held = self.held().await?;
        held.remove().await?;
        held.commit().await
    }

    async fn open(&mut self) -> Result<Vec<DeliveryRow>, StoreError> {
        self.held().await?.open().await
    }

    async fn replaying(&mut self, limit: usize) -> Result<Vec<DeliveryRow>, StoreError> {
        self.held().await?.replaying(limit).await
    }

    async fn put(&mut self, deliveries: &[DeliveryRow]) -> Result<(), StoreError> {
        let mut held = self.held().await?;
        held.put(deliveries).await?;
        held.commit().await
    }

    async fn take_away(&mut self, positions: &[Position]) -> Result<(), StoreError> {
        let mut held = self.held().await?;
        held.take_away(positions).await?;
        held.commit().await
    }

    async fn change_parked(
        &mut self,
        change: ParkedChange,
        first: Position,
        last: Position,
        limit: u64,
    ) -> Result<u64, StoreError> {
        let mut held = self.held().await?;
        let changed = held.change_parked(change, first, last, limit).await?;
        held.commit().await?;
        Ok(changed)
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}
