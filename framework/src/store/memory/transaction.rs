//! A transaction in memory: changes that nobody else sees until they are committed.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{OwnedMutexGuard, watch};

use crate::message::{CommandId, EventId, Position, SagaId, StreamId, Timestamp};
use crate::store::append::{Append, Appended, CommandRecord};
use crate::store::error::{AppendError, StoreError};
use crate::store::limits::Limits;
use crate::store::plan::{DocumentState, Known, Place, StreamState, plan};
use crate::store::records::{
    Association, Claim, DeadLetter, Document, Effect, LetterState, SagaRow, SagaWrite, Timer, ViewId,
};
use crate::store::transaction::StoreTransaction;

use super::changes::Changes;
use super::records::{
    AssociationKey, DocumentKey, EffectKey, LetterKey, Named, Records, SagaKey, StoredDocument, TimerKey, Token, named,
};
use super::{MemoryStore, Shared, State};

/// A transaction of a [`super::MemoryStore`].
#[derive(Debug)]
pub struct MemoryTransaction {
    shared: Arc<Shared>,
    changes: AllChanges,
    marked: Option<AllChanges>,
    appended: watch::Sender<Position>,
    limits: Limits,
    _right_to_write: OwnedMutexGuard<()>,
}

#[derive(Debug, Clone, Default)]
struct AllChanges {
    tokens: Changes<Named, Token>,
    documents: Changes<DocumentKey, StoredDocument>,
    sagas: Changes<SagaKey, SagaRow>,
    associations: Changes<AssociationKey, ()>,
    effects: Changes<u64, Effect>,
    effect_ids: Changes<EffectKey, u64>,
    timers: Changes<TimerKey, Timer>,
    letters: Changes<LetterKey, DeadLetter>,
}

impl AllChanges {
    fn commit_to(self, records: &mut Records) {
        self.tokens.commit_to(&mut records.tokens);
        self.documents.commit_to(&mut records.documents);
        self.sagas.commit_to(&mut records.sagas);
        self.associations.commit_to(&mut records.associations);
        self.effects.commit_to(&mut records.effects);
        self.effect_ids.commit_to(&mut records.effect_ids);
        self.timers.commit_to(&mut records.timers);
        self.letters.commit_to(&mut records.letters);
    }

    fn add_effects(&mut self, records: &Records, effects: Vec<Effect>) {
        let mut place = self.effects.last_key(&records.effects).unwrap_or(0);
        for effect in effects {
            place += 1;
            self.effect_ids.put((effect.tenant.clone(), effect.command), place);
            self.effects.put(place, effect);
        }
    }

    /// Whether it was there.
    fn remove_effect(&mut self, records: &Records, key: EffectKey) -> bool {
        let Some(place) = self.effect_ids.get(&records.effect_ids, &key) else { return false };
        self.effect_ids.remove(key);
        self.effects.remove(place);
        true
    }
}

/// What an append sees inside a transaction: what was committed, and the documents that the transaction has written.
struct Seen<'t> {
    state: &'t State,
    changes: &'t AllChanges,
}

impl Known for Seen<'_> {
    fn head(&self) -> Position {
        self.state.head()
    }

    fn stream(&self, tenant: &str, stream: &StreamId) -> Option<StreamState> {
        self.state.stream(tenant, stream)
    }

    fn event(&self, id: EventId) -> Option<Place> {
        self.state.event(id)
    }

    fn command(&self, tenant: &str, id: CommandId) -> Option<CommandRecord> {
        self.state.command(tenant, id)
    }

    fn document(&self, view: &ViewId, key: &str) -> Option<DocumentState> {
        let document = self.changes.documents.get(&self.state.records.documents, &(view.clone(), key.to_owned()));
        document.map(|document| document.state())
    }

    fn breaks_condition(&self, index: usize, append: &Append) -> bool {
        self.state.breaks_condition(index, append)
    }
}

impl MemoryTransaction {
    pub(super) fn new(store: &MemoryStore, right_to_write: OwnedMutexGuard<()>) -> Self {
        Self {
            shared: Arc::clone(&store.shared),
            changes: AllChanges::default(),
            marked: None,
            appended: store.appended.clone(),
            limits: store.limits.clone(),
            _right_to_write: right_to_write,
        }
    }

    fn move_token(&mut self, claim: &Claim, position: Option<Position>) -> Result<(), StoreError> {
        let state = self.shared.read();
        let key = named(&claim.tenant, &claim.processor);
        let token = self.changes.tokens.get(&state.records.tokens, &key);
        let Some(token) = token.filter(|token| token.fence == claim.fence) else {
            return Err(StoreError::ClaimLost { processor: claim.processor.clone(), fence: claim.fence });
        };
        if let Some(position) = position {
            self.changes.tokens.put(key, Token { position, ..token });
        }
        Ok(())
    }

    fn write_saga(&mut self, write: SagaWrite) -> Result<(), StoreError> {
        let state = self.shared.read();
        let (records, changes) = (&state.records, &mut self.changes);
        let SagaWrite { tenant, saga, mut row, effects, timers, cancelled, at: _ } = write;
        let saga = (tenant, saga);
        let key = (saga.clone(), row.id);
        let before = changes.sagas.get(&records.sagas, &key);
        if before.as_ref().map_or(0, |before| before.revision) != row.revision {
            return Err(StoreError::Changed { what: format!("instance {} of saga `{}`", row.id, saga.1) });
        }
        for association in before.into_iter().flat_map(|before| before.associations) {
            changes.associations.remove((saga.clone(), association, row.id));
        }
        for name in cancelled {
            changes.timers.remove((saga.clone(), row.id, name));
        }
        for timer in timers {
            changes.timers.put((saga.clone(), row.id, timer.name.clone()), timer);
        }
        if row.ended {
            row.associations.clear();
            let first = (saga.clone(), row.id, String::new());
            let own = changes.timers.run(&records.timers, &first, |key| (&key.0, key.1) == (&saga, row.id));
            own.into_keys().for_each(|key| changes.timers.remove(key));
        }
        for association in &row.associations {
            changes.associations.put((saga.clone(), association.clone(), row.id), ());
        }
        row.revision += 1;
        changes.sagas.put(key, row);
        changes.add_effects(records, effects);
        Ok(())
    }
}

#[async_trait]
impl StoreTransaction for MemoryTransaction {
    async fn advance(&mut self, claim: &Claim, position: Position) -> Result<(), StoreError> {
        self.move_token(claim, Some(position))
    }

    async fn guard(&mut self, claim: &Claim) -> Result<(), StoreError> {
        self.move_token(claim, None)
    }

    async fn reset(&mut self, claim: &Claim, position: Position) -> Result<(), StoreError> {
        self.move_token(claim, Some(position))
    }

    async fn documents(&mut self, view: &ViewId, keys: &[String]) -> Result<Vec<Document>, StoreError> {
        let state = self.shared.read();
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys.dedup();
        let found = keys.into_iter().filter_map(|key| {
            let key = (view.clone(), key);
            self.changes.documents.get(&state.records.documents, &key)?.at(&key.1)
        });
        Ok(found.collect())
    }

    async fn write_documents(
        &mut self,
        view: &ViewId,
        writes: Vec<(String, Option<Vec<u8>>)>,
    ) -> Result<(), StoreError> {
        let state = self.shared.read();
        for (key, body) in writes {
            let key = (view.clone(), key);
            let before = self.changes.documents.get(&state.records.documents, &key);
            let revision = before.map_or(0, |before| before.revision) + 1;
            self.changes.documents.put(key, StoredDocument { revision, body });
        }
        Ok(())
    }

    async fn clear_documents(&mut self, view: &ViewId) -> Result<(), StoreError> {
        let state = self.shared.read();
        let first = (view.clone(), String::new());
        let own = self.changes.documents.run(&state.records.documents, &first, |(of, _)| of == view);
        own.into_keys().for_each(|key| self.changes.documents.remove(key));
        Ok(())
    }

    async fn find_sagas(
        &mut self,
        tenant: &str,
        saga: &str,
        associations: &[Association],
    ) -> Result<Vec<SagaRow>, StoreError> {
        let state = self.shared.read();
        let saga = named(tenant, saga);
        let mut ids = Vec::new();
        for association in associations {
            let first = (saga.clone(), association.clone(), SagaId::from(uuid::Uuid::nil()));
            let found = self
                .changes
                .associations
                .run(&state.records.associations, &first, |(of, by, _)| *of == saga && by == association);
            ids.extend(found.into_keys().map(|(_, _, id)| id));
        }
        ids.sort_unstable();
        ids.dedup();
        let rows = ids
            .into_iter()
            .filter_map(|id| self.changes.sagas.get(&state.records.sagas, &(saga.clone(), id)))
            .filter(|row| !row.ended);
        Ok(rows.collect())
    }

    async fn saga(&mut self, tenant: &str, saga: &str, id: SagaId) -> Result<Option<SagaRow>, StoreError> {
        Ok(self.changes.sagas.get(&self.shared.read().records.sagas, &(named(tenant, saga), id)))
    }

    async fn write_sagas(&mut self, writes: Vec<SagaWrite>) -> Result<(), StoreError> {
        writes.into_iter().try_for_each(|write| self.write_saga(write))
    }

    async fn add_effects(&mut self, effects: Vec<Effect>) -> Result<(), StoreError> {
        let state = self.shared.read();
        for effect in &effects {
            self.changes.remove_effect(&state.records, (effect.tenant.clone(), effect.command));
        }
        self.changes.add_effects(&state.records, effects);
        Ok(())
    }

    async fn finish_effects(&mut self, tenant: &str, effects: &[CommandId]) -> Result<u64, StoreError> {
        let state = self.shared.read();
        let ids = effects.iter().map(|id| (tenant.to_owned(), *id));
        Ok(ids.filter(|key| self.changes.remove_effect(&state.records, key.clone())).count() as u64)
    }

    async fn postpone_effect(
        &mut self,
        tenant: &str,
        effect: CommandId,
        attempts: u32,
        next: Result<Timestamp, String>,
    ) -> Result<bool, StoreError> {
        let state = self.shared.read();
        let key = (tenant.to_owned(), effect);
        let Some(place) = self.changes.effect_ids.get(&state.records.effect_ids, &key) else { return Ok(false) };
        let Some(mut effect) = self.changes.effects.get(&state.records.effects, &place) else { return Ok(false) };
        effect.attempts = attempts;
        match next {
            Ok(instant) => (effect.not_before, effect.parked) = (instant, None),
            Err(reason) => effect.parked = Some(reason),
        }
        self.changes.effects.put(place, effect);
        Ok(true)
    }

    async fn take_timer(
        &mut self,
        tenant: &str,
        saga: &str,
        id: SagaId,
        name: &str,
        due: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = (named(tenant, saga), id, name.to_owned());
        let timer = self.changes.timers.get(&self.shared.read().records.timers, &key);
        let there = timer.is_some_and(|timer| timer.due == due);
        if there {
            self.changes.timers.remove(key);
        }
        Ok(there)
    }

    async fn held_sequences(
        &mut self,
        tenant: &str,
        processor: &str,
        sequences: &[String],
    ) -> Result<Vec<String>, StoreError> {
        let state = self.shared.read();
        let processor = named(tenant, processor);
        let first = (processor.clone(), Position::START);
        let letters = self.changes.letters.run(&state.records.letters, &first, |(of, _)| *of == processor);
        let mut held: Vec<String> =
            letters.into_values().map(|letter| letter.sequence).filter(|held| sequences.contains(held)).collect();
        held.sort_unstable();
        held.dedup();
        Ok(held)
    }

    async fn add_letter(&mut self, letter: DeadLetter) -> Result<(), StoreError> {
        self.changes.letters.put((named(&letter.tenant, &letter.processor), letter.position), letter);
        Ok(())
    }

    async fn update_letter(
        &mut self,
        tenant: &str,
        processor: &str,
        position: Position,
        attempts: u32,
        state: LetterState,
        error: &str,
    ) -> Result<(), StoreError> {
        let key = (named(tenant, processor), position);
        let letter = self.changes.letters.get(&self.shared.read().records.letters, &key);
        if let Some(letter) = letter {
            self.changes.letters.put(key, DeadLetter { attempts, state, error: error.to_owned(), ..letter });
        }
        Ok(())
    }

    async fn remove_letter(&mut self, tenant: &str, processor: &str, position: Position) -> Result<bool, StoreError> {
        let key = (named(tenant, processor), position);
        let there = self.changes.letters.get(&self.shared.read().records.letters, &key).is_some();
        self.changes.letters.remove(key);
        Ok(there)
    }

    async fn mark(&mut self) -> Result<(), StoreError> {
        self.marked = Some(self.changes.clone());
        Ok(())
    }

    async fn undo_to_mark(&mut self) -> Result<(), StoreError> {
        self.changes = self.marked.clone().ok_or_else(|| StoreError::unavailable("the transaction has no mark"))?;
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.changes.commit_to(&mut self.shared.write().records);
        Ok(())
    }

    async fn commit_with(self: Box<Self>, append: Append) -> Result<Appended, AppendError> {
        self.limits.admit(&append)?;
        let batch = [append];
        let mut state = self.shared.write();
        let plan = plan(&batch, Seen { state: &state, changes: &self.changes });
        let stores = plan.answers.iter().flatten().any(|appended| !appended.repeated);
        if stores {
            self.changes.commit_to(&mut state.records);
        }
        let (answer, places) = state.store(plan);
        let [append] = batch;
        let head = state.store_events(append, places);
        drop(state);
        self.appended.send_if_modified(|seen| std::mem::replace(seen, head) != head);
        answer
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
