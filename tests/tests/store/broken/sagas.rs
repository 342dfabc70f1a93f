//! Reads of sagas' records with a fault.

use std::sync::Arc;
use std::time::Duration;

use annals::message::{CommandId, SagaId, Timestamp};
use annals::store::{
    Effect, HistoryRow, MemoryStore, SagaCount, SagaFilter, SagaRow, SagaStore, Segment, Store, StoreError, Timer,
    WaitingInput, WhichEffects,
};
use async_trait::async_trait;

use super::Fault;

pub(super) struct BrokenSagas {
    pub(super) inner: Arc<MemoryStore>,
    pub(super) fault: Fault,
}

#[async_trait]
impl SagaStore for BrokenSagas {
    async fn due_effects(
        &self,
        tenant: &str,
        saga: &str,
        segment: Segment,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Effect>, StoreError> {
        let (sagas, segment) = (self.inner.sagas(), self.seen(segment));
        match self.fault {
            Fault::HurriesEffects => sagas.open_effects(tenant, saga, None, limit).await,
            _ => sagas.due_effects(tenant, saga, segment, now, limit).await,
        }
    }

    async fn next_effect(&self, tenant: &str, saga: &str, segment: Segment) -> Result<Option<Timestamp>, StoreError> {
        self.inner.sagas().next_effect(tenant, saga, segment).await
    }

    async fn open_effects(
        &self,
        tenant: &str,
        saga: &str,
        instance: Option<SagaId>,
        limit: usize,
    ) -> Result<Vec<Effect>, StoreError> {
        self.inner.sagas().open_effects(tenant, saga, instance, limit).await
    }

    async fn effects(
        &self,
        tenant: &str,
        saga: &str,
        which: WhichEffects<'_>,
        after: Option<(Timestamp, CommandId)>,
        limit: usize,
    ) -> Result<Vec<Effect>, StoreError> {
        let after = after.filter(|_| self.fault != Fault::ListsTheFirstPage);
        self.inner.sagas().effects(tenant, saga, which, after, limit).await
    }

    async fn due_timers(
        &self,
        tenant: &str,
        saga: &str,
        segment: Segment,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Timer>, StoreError> {
        let early = Duration::from_millis(if self.fault == Fault::HurriesTimers { 1 } else { 0 });
        self.inner.sagas().due_timers(tenant, saga, self.seen(segment), now.plus(early), limit).await
    }

    async fn next_timer(&self, tenant: &str, saga: &str, segment: Segment) -> Result<Option<Timestamp>, StoreError> {
        self.inner.sagas().next_timer(tenant, saga, segment).await
    }

    async fn list(
        &self,
        tenant: &str,
        saga: &str,
        filter: &SagaFilter,
        limit: usize,
    ) -> Result<Vec<SagaRow>, StoreError> {
        self.inner.sagas().list(tenant, saga, filter, limit).await
    }

    async fn count(&self, tenant: &str, saga: &str) -> Result<Vec<SagaCount>, StoreError> {
        self.inner.sagas().count(tenant, saga).await
    }

    async fn history(&self, tenant: &str, saga: &str, id: SagaId) -> Result<Vec<HistoryRow>, StoreError> {
        let mut history = self.inner.sagas().history(tenant, saga, id).await?;
        if self.fault == Fault::ShufflesHistory {
            history.reverse();
        }
        Ok(history)
    }

    async fn waiting(&self, tenant: &str, saga: &str, id: SagaId) -> Result<Vec<WaitingInput>, StoreError> {
        self.inner.sagas().waiting(tenant, saga, id).await
    }

    async fn forget(&self, tenant: &str, saga: &str, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let late = Duration::from_secs(if self.fault == Fault::ForgetsSagasEarly { 1 } else { 0 });
        self.inner.sagas().forget(tenant, saga, before.plus(late), limit).await
    }
}

impl BrokenSagas {
    fn seen(&self, segment: Segment) -> Segment {
        if self.fault == Fault::SharesSagas { Segment::WHOLE } else { segment }
    }
}
