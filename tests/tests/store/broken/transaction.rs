//! A transaction that breaks what it promises at its end.

use std::any::Any;
use std::sync::Arc;

use annals::message::{CommandId, Position, SagaId, Timestamp};
use annals::store::records::ViewId;
use annals::store::{
    Advance, Append, AppendError, Appended, Association, Claim, DeadLetter, Document, DocumentChange, Effect,
    EventStore, HistoryRow, MemoryStore, SagaRow, SagaWrite, SegmentRow, SegmentWrite, StoreError, StoreTransaction,
    Timer,
};
use async_trait::async_trait;

use super::Fault;

pub(super) struct BrokenTransaction {
    pub(super) inner: Box<dyn StoreTransaction>,
    pub(super) store: Arc<MemoryStore>,
    pub(super) fault: Fault,
}

impl BrokenTransaction {
    /// The claim with the fencing number that counts now.
    async fn renewed(&mut self, claim: &Claim) -> Result<Claim, StoreError> {
        let rows = self.inner.lock_segments(&claim.tenant, &claim.processor).await?;
        let row = rows.into_iter().find(|row| row.segment == claim.segment);
        Ok(Claim { fence: row.map_or(claim.fence, |row| row.fence), ..claim.clone() })
    }
}

#[async_trait]
impl StoreTransaction for BrokenTransaction {
    async fn commit_with(self: Box<Self>, mut append: Append) -> Result<Appended, AppendError> {
        match self.fault {
            Fault::CommitsBlindly => {
                append.expected.clear();
                (append.condition, append.rests_on) = (None, None);
                self.inner.commit_with(append).await
            }
            Fault::CommitsRowsFirst => {
                self.inner.commit().await.unwrap();
                self.store.append(append).await
            }
            _ => self.inner.commit_with(append).await,
        }
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.inner.commit().await
    }

    async fn advance(&mut self, segments: &[Advance]) -> Result<(), StoreError> {
        if self.fault != Fault::NeverFences {
            return self.inner.advance(segments).await;
        }
        let mut renewed = segments.to_vec();
        for moved in &mut renewed {
            moved.claim = self.renewed(&moved.claim).await?;
        }
        self.inner.advance(&renewed).await
    }

    async fn guard(&mut self, claims: &[Claim]) -> Result<(), StoreError> {
        if self.fault == Fault::NeverFences { Ok(()) } else { self.inner.guard(claims).await }
    }

    async fn lock_segments(&mut self, tenant: &str, processor: &str) -> Result<Vec<SegmentRow>, StoreError> {
        self.inner.lock_segments(tenant, processor).await
    }

    async fn write_segments(&mut self, tenant: &str, writes: Vec<SegmentWrite>) -> Result<(), StoreError> {
        self.inner.write_segments(tenant, writes).await
    }

    async fn documents(&mut self, view: &ViewId, keys: &[String]) -> Result<Vec<Document>, StoreError> {
        self.inner.documents(view, keys).await
    }

    async fn write_documents(&mut self, view: &ViewId, writes: Vec<DocumentChange>) -> Result<(), StoreError> {
        self.inner.write_documents(view, writes).await
    }

    async fn clear_documents(&mut self, view: &ViewId) -> Result<(), StoreError> {
        self.inner.clear_documents(view).await
    }

    async fn clear_entries(&mut self, view: &ViewId, key: &str) -> Result<(), StoreError> {
        self.inner.clear_entries(view, key).await
    }

    async fn find_sagas(
        &mut self,
        tenant: &str,
        saga: &str,
        associations: &[Association],
        ids: &[SagaId],
    ) -> Result<Vec<SagaRow>, StoreError> {
        self.inner.find_sagas(tenant, saga, associations, ids).await
    }

    async fn write_sagas(&mut self, tenant: &str, saga: &str, writes: Vec<SagaWrite>) -> Result<(), StoreError> {
        self.inner.write_sagas(tenant, saga, writes).await
    }

    async fn add_history(&mut self, tenant: &str, saga: &str, rows: Vec<HistoryRow>) -> Result<(), StoreError> {
        self.inner.add_history(tenant, saga, rows).await
    }

    async fn timers(&mut self, tenant: &str, saga: &str, ids: &[SagaId]) -> Result<Vec<Timer>, StoreError> {
        self.inner.timers(tenant, saga, ids).await
    }

    async fn open_among(&mut self, tenant: &str, effects: &[CommandId]) -> Result<Vec<CommandId>, StoreError> {
        self.inner.open_among(tenant, effects).await
    }

    async fn add_effects(&mut self, effects: Vec<Effect>) -> Result<(), StoreError> {
        let mut effects = effects;
        if self.fault == Fault::DoublesNames {
            effects.iter_mut().for_each(|effect| effect.label = None);
        }
        self.inner.add_effects(effects).await
    }

    async fn finish_effects(&mut self, tenant: &str, effects: &[CommandId]) -> Result<u64, StoreError> {
        self.inner.finish_effects(tenant, effects).await
    }

    async fn cancel_effects(
        &mut self,
        tenant: &str,
        saga: &str,
        scope: &str,
        label: Option<&str>,
    ) -> Result<u64, StoreError> {
        self.inner.cancel_effects(tenant, saga, scope, label).await
    }

    async fn postpone_effect(
        &mut self,
        tenant: &str,
        effect: CommandId,
        attempts: u32,
        next: Result<Timestamp, String>,
    ) -> Result<bool, StoreError> {
        self.inner.postpone_effect(tenant, effect, attempts, next).await
    }

    async fn held_sequences(
        &mut self,
        tenant: &str,
        processor: &str,
        sequences: &[String],
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.inner.held_sequences(tenant, processor, sequences).await
    }

    async fn count_letters(
        &mut self,
        tenant: &str,
        processor: &str,
        component: &str,
        sequence: &str,
    ) -> Result<(u64, u64), StoreError> {
        self.inner.count_letters(tenant, processor, component, sequence).await
    }

    async fn add_letter(&mut self, letter: DeadLetter) -> Result<(), StoreError> {
        self.inner.add_letter(letter).await
    }

    async fn update_letter(&mut self, letter: &DeadLetter) -> Result<bool, StoreError> {
        self.inner.update_letter(letter).await
    }

    async fn remove_letter(&mut self, letter: &DeadLetter) -> Result<bool, StoreError> {
        self.inner.remove_letter(letter).await
    }

    async fn clear_letters(&mut self, tenant: &str, processor: &str, after: Position) -> Result<u64, StoreError> {
        self.inner.clear_letters(tenant, processor, after).await
    }

    async fn mark(&mut self) -> Result<(), StoreError> {
        self.inner.mark().await
    }

    async fn undo_to_mark(&mut self) -> Result<(), StoreError> {
        self.inner.undo_to_mark().await
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self.inner.as_any_mut()
    }
}
