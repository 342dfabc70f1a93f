//! Deadlines of sagas.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;

use crate::deadline::DeadlineTarget;
use crate::handler::error::chain;
use crate::handler::{Context, Resources};
use crate::store::{Claim, Journal, StoreError, Timer};

use super::handlers::SagaHandlers;
use super::instance::Instance;
use super::processor::Wake;

/// A deadline whose handler fails is tried again after this time.
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);

/// The timers of the saga `S`.
pub(crate) struct SagaTimers<S> {
    pub(crate) journal: Journal,
    pub(crate) resources: Arc<Resources>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) saga: PhantomData<fn() -> S>,
}

#[async_trait]
impl<S: SagaHandlers> DeadlineTarget for SagaTimers<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    async fn fire(&self, timer: &Timer, claim: &Claim) -> Result<(), StoreError> {
        let (now, payloads) = (self.journal.now(), self.journal.payloads());
        let mut transaction = self.journal.store().begin().await?;
        transaction.guard(std::slice::from_ref(claim)).await?;
        if !transaction.take_timer(&timer.tenant, S::NAME, timer.saga_id, &timer.name, timer.due).await? {
            return transaction.commit().await;
        }
        if let Some(row) = transaction.saga(&timer.tenant, S::NAME, timer.saga_id).await?.filter(|row| !row.ended) {
            let unhandled = row.clone();
            let handled = Instance::<S>::load(row, payloads).and_then(|mut instance| {
                let metadata = instance.metadata();
                let context = Context::new(now, &metadata, &self.resources);
                instance.on_deadline(&timer.name, &context, payloads, &metadata)?;
                instance.into_write(&timer.tenant, now, payloads)
            });
            let write = handled.unwrap_or_else(|error| {
                tracing::error!(
                    saga = S::NAME, instance = %timer.saga_id, deadline = timer.name, error = chain(&error),
                    "a saga needs attention: its deadline could not be handled, and is tried again later"
                );
                let again = Timer { due: now.plus(RETRY), ..timer.clone() };
                crate::store::SagaWrite {
                    tenant: timer.tenant.clone(),
                    saga: S::NAME.to_owned(),
                    row: unhandled,
                    effects: Vec::new(),
                    timers: vec![again],
                    cancelled: Vec::new(),
                    at: now,
                }
            });
            transaction.write_sagas(vec![write]).await?;
        }
        transaction.commit().await?;
        self.wake.effects.notify_one();
        Ok(())
    }

    async fn changed(&self) {
        self.wake.timers.notified().await;
    }
}
