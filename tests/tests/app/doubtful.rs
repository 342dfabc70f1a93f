//! Commits of subscriptions whose outcome is in doubt.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use annals::message::{Position, Tag, Timestamp};
use annals::store::subscriptions::{
    DeliveryCounts, DeliveryRow, Glance, HeldSubscription, ParkedChange, SubscriptionRow, SubscriptionStore,
};
use annals::store::{Append, MemoryStore, NewEvent, StoreError};
use annals::subscription::{ConsumerConfig, Delivery, SubscriptionConfig, ack_all};
use annals::{Annals, EventId, Metadata, StreamId};
use async_trait::async_trait;
use futures_util::StreamExt;

use crate::shaky::Shaky;
use crate::support::PATIENCE;

/// Subscriptions whose next commit reports a failure, if it is told so: 1, although it was written; 2, and it was not.
#[derive(Debug)]
pub struct Doubtful {
    pub inner: Arc<MemoryStore>,
    pub next: Arc<AtomicU8>,
}

#[async_trait]
impl SubscriptionStore for Doubtful {
    async fn hold_subscription(&self, tenant: &str, name: &str) -> Result<Box<dyn HeldSubscription>, StoreError> {
        let inner = self.inner.hold_subscription(tenant, name).await?;
        Ok(Box::new(Held { inner, next: Arc::clone(&self.next) }))
    }

    async fn glance(&self, tenant: &str, name: &str) -> Result<Option<Glance>, StoreError> {
        self.inner.glance(tenant, name).await
    }

    async fn list(&self, tenant: &str) -> Result<Vec<SubscriptionRow>, StoreError> {
        self.inner.list(tenant).await
    }

    async fn counts(&self, tenant: &str, name: &str) -> Result<DeliveryCounts, StoreError> {
        self.inner.counts(tenant, name).await
    }

    async fn parked(
        &self,
        tenant: &str,
        name: &str,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        self.inner.parked(tenant, name, after, limit).await
    }

    async fn tags(&self, tenant: &str, positions: &[Position]) -> Result<Vec<(Position, Vec<Tag>)>, StoreError> {
        self.inner.tags(tenant, positions).await
    }
}

struct Held {
    inner: Box<dyn HeldSubscription>,
    next: Arc<AtomicU8>,
}

#[async_trait]
impl HeldSubscription for Held {
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
        self.inner.remove().await
    }

    async fn open(&mut self) -> Result<Vec<DeliveryRow>, StoreError> {
        self.inner.open().await
    }

    async fn replaying(&mut self, limit: usize) -> Result<Vec<DeliveryRow>, StoreError> {
        self.inner.replaying(limit).await
    }

    async fn put(&mut self, deliveries: &[DeliveryRow]) -> Result<(), StoreError> {
        self.inner.put(deliveries).await
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
        self.inner.change_parked(change, first, last, limit).await
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        match self.next.swap(0, Ordering::SeqCst) {
            1 => self.inner.commit().await?,
            2 => drop(self.inner),
            _ => return self.inner.commit().await,
        }
        Err(StoreError::unavailable("the line is cut"))
    }
}

fn event(stream: &str) -> NewEvent {
    NewEvent {
        stream: StreamId::new("parcel", stream),
        id: EventId::new(),
        name: "parcel.moved".into(),
        revision: 1,
        payload: b"{}".to_vec(),
        metadata: Arc::new(Metadata::new()),
        tags: Vec::new(),
        recorded_at: Timestamp::from_micros(1),
    }
}

/// Guarantee 13: what was taken or answered by a commit that reports a failure is taken and answered once, without any
/// time having to run out first.
#[tokio::test]
async fn commits_in_doubt_are_settled() {
    for fate in [1, 2] {
        let (store, next) = Shaky::with([]).doubting_subscriptions();
        let store = store.store();
        let builder = Annals::builder().without_discovery().opened_store(Arc::clone(&store));
        let app = builder.start().await.unwrap();
        let mut settings = SubscriptionConfig::default();
        settings.message_time = Duration::from_secs(600);
        settings.consumer_time = Duration::from_secs(600);
        settings.retries = 0;
        app.subscriptions().create("s", settings).await.unwrap();
        let mut consumer = app.subscriptions().consume("s", ConsumerConfig::default()).await.unwrap();

        next.store(fate, Ordering::SeqCst);
        store.append(Append { events: vec![event("a"), event("b")], ..Append::default() }).await.unwrap();
        let mut taken: Vec<Delivery> = Vec::new();
        while taken.len() < 2 {
            taken.push(tokio::time::timeout(PATIENCE, consumer.next()).await.unwrap().unwrap().unwrap());
        }
        assert_eq!(next.load(Ordering::SeqCst), 0, "the failure was met");
        assert!(taken.iter().all(|delivery| delivery.attempt() == 1), "{taken:?}");

        next.store(fate, Ordering::SeqCst);
        tokio::time::timeout(PATIENCE, ack_all(taken)).await.unwrap().unwrap();
        assert_eq!(next.load(Ordering::SeqCst), 0, "the failure was met");
        let status = app.subscriptions().status("s").await.unwrap();
        assert_eq!((status.checkpoint, status.out, status.parked), (Position::new(2), 0, 0));
        app.shutdown().await.unwrap();
    }
}
