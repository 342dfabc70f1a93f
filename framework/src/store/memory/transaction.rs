//! A transaction in memory: changes that nobody else sees until they are committed.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{OwnedMutexGuard, watch};

use crate::message::{CommandId, EventId, Position, SagaId, StreamId, Timestamp};
use crate::store::append::{Append, Appended, CommandRecord};
use crate::store::documents::DocumentChange;
use crate::store::error::{AppendError, StoreError};
use crate::store::limits::Limits;
use crate::store::plan::{DocumentState, Known, Place, Plan, StreamState, plan};
use crate::store::records::{DeadLetter, Document, ViewId};
use crate::store::sagas::{Association, Effect, HistoryRow, SagaRow, SagaWrite, Timer, WaitingInput};
use crate::store::segment::{Advance, Claim, SegmentRow, SegmentWrite};
use crate::store::transaction::StoreTransaction;

use super::changes::{Changes, Rows};
use super::records::{
    AssociationKey, DocumentKey, DueKey, EffectKey, HistoryKey, LetterKey, Named, OrderKey, Records, SagaKey, ScopeKey,
    SegmentKey, StoredDocument, TimerKey, WaitingKey, named,
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
    segments: Changes<SegmentKey, SegmentRow>,
    documents: Changes<DocumentKey, StoredDocument>,
    sagas: Changes<SagaKey, SagaRow>,
    associations: Changes<AssociationKey, ()>,
    effects: Changes<u64, Effect>,
    effect_ids: Changes<EffectKey, u64>,
    effect_scopes: Changes<ScopeKey, ()>,
    effect_dues: Changes<DueKey, ()>,
    effect_order: Changes<OrderKey, u64>,
    timers: Changes<TimerKey, Timer>,
    history: Changes<HistoryKey, HistoryRow>,
    waiting: Changes<WaitingKey, WaitingInput>,
    saga_keys: Changes<(Named, String), SagaId>,
    letters: Changes<LetterKey, DeadLetter>,
}

impl AllChanges {
    fn commit_to(self, records: &mut Records) {
        self.segments.commit_to(&mut records.segments);
        self.documents.commit_to(&mut records.documents);
        self.sagas.commit_to(&mut records.sagas);
        self.associations.commit_to(&mut records.associations);
        self.effects.commit_to(&mut records.effects);
        self.effect_ids.commit_to(&mut records.effect_ids);
        self.effect_scopes.commit_to(&mut records.effect_scopes);
        self.effect_dues.commit_to(&mut records.effect_dues);
        self.effect_order.commit_to(&mut records.effect_order);
        self.timers.commit_to(&mut records.timers);
        self.history.commit_to(&mut records.history);
        self.waiting.commit_to(&mut records.waiting);
        self.saga_keys.commit_to(&mut records.saga_keys);
        self.letters.commit_to(&mut records.letters);
    }

    fn add_history(&mut self, records: &Records, saga: &Named, rows: Vec<HistoryRow>) {
        for row in rows {
            let key = (saga.clone(), row.saga_id);
            let own = self.history.run(&records.history, &(key.clone(), 0), |(of, _)| *of == key);
            let place = own.into_keys().next_back().map_or(0, |(_, place)| place + 1);
            self.history.put((key, place), row);
        }
    }

    fn add_effects(&mut self, records: &Records, effects: Vec<Effect>) {
        let mut place = self.effects.last_key(&records.effects).unwrap_or(0);
        for effect in effects {
            place += 1;
            self.put_effect(place, effect);
        }
    }

    fn put_effect(&mut self, place: u64, effect: Effect) {
        let of = named(&effect.tenant, &effect.saga);
        self.effect_ids.put((effect.tenant.clone(), effect.command), place);
        if let Some(key) = scope_key(&effect, place) {
            self.effect_scopes.put(key, ());
        }
        if effect.parked.is_none() {
            self.effect_dues.put((of.clone(), effect.not_before, place), ());
        }
        self.effect_order.put((of, effect.saga_id, effect.number, place), effect.group);
        self.effects.put(place, effect);
    }

    fn take_effect(&mut self, records: &Records, key: &EffectKey) -> Option<(u64, Effect)> {
        let place = self.effect_ids.get(&records.effect_ids, key)?;
        let effect = self.effects.get(&records.effects, &place)?;
        let of = named(&effect.tenant, &effect.saga);
        self.effect_ids.remove(key.clone());
        if let Some(key) = scope_key(&effect, place) {
            self.effect_scopes.remove(key);
        }
        self.effect_dues.remove((of.clone(), effect.not_before, place));
        self.effect_order.remove((of, effect.saga_id, effect.number, place));
        self.effects.remove(place);
        Some((place, effect))
    }

    /// Whether it was there.
    fn remove_effect(&mut self, records: &Records, key: EffectKey) -> bool {
        self.take_effect(records, &key).is_some()
    }

    /// Removes the effects in `scope`, or those of them with `label`; returns how many.
    fn cancel_effects(&mut self, records: &Records, saga: &Named, scope: &str, label: Option<&str>) -> u64 {
        let first = (saga.clone(), scope.to_owned(), label.map(ToOwned::to_owned), 0);
        let wanted = |(of, in_scope, name, _): &ScopeKey| {
            of == saga && in_scope == scope && (label.is_none() || name.as_deref() == label)
        };
        let found = self.effect_scopes.run(&records.effect_scopes, &first, wanted);
        for (_, _, _, place) in found.keys() {
            if let Some(effect) = self.effects.get(&records.effects, place) {
                self.remove_effect(records, (effect.tenant, effect.command));
            }
        }
        found.len() as u64
    }
}

/// Takes names back and gives them to other effects, as `plan` says.
pub(super) fn store_effects(records: &mut Records, plan: &Plan<'_>) {
    if plan.effects.is_empty() {
        return;
    }
    let mut changes = AllChanges::default();
    for (tenant, saga, scope, label) in plan.effects.keys() {
        changes.cancel_effects(records, &named(tenant, saga), scope, Some(label));
    }
    changes.add_effects(records, plan.effects.values().flatten().copied().cloned().collect());
    changes.commit_to(records);
}

/// Takes back what waits in the scope of a stream.
pub(super) fn drop_scope(records: &mut Records, tenant: &str, stream: &StreamId) {
    let mut changes = AllChanges::default();
    changes.cancel_effects(records, &named(tenant, Effect::SCHEDULED), &Effect::scope_of(stream), None);
    changes.commit_to(records);
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

    fn letters(&self, tenant: &str, processor: &str) -> Rows<LetterKey, DeadLetter> {
        let processor = named(tenant, processor);
        let first = (processor.clone(), Position::START, 0);
        self.changes.letters.run(&self.shared.read().records.letters, &first, |(of, _, _)| *of == processor)
    }

    /// The dead letters that hold up their sequences.
    fn holding(&self, tenant: &str, processor: &str) -> Vec<DeadLetter> {
        self.letters(tenant, processor).into_values().filter(|letter| letter.state.holds()).collect()
    }

    /// The row of a segment whose claim holds.
    fn claimed(&self, claim: &Claim) -> Result<(SegmentKey, SegmentRow), StoreError> {
        let key = (named(&claim.tenant, &claim.processor), claim.segment.id());
        let row = self.changes.segments.get(&self.shared.read().records.segments, &key);
        let lost =
            || StoreError::ClaimLost { processor: claim.processor.clone(), segment: claim.segment, fence: claim.fence };
        row.filter(|row| row.fence == claim.fence).map(|row| (key, row)).ok_or_else(lost)
    }

    fn write_segment(&mut self, tenant: &str, write: SegmentWrite) -> Result<(), StoreError> {
        let row = write.row();
        let key = (named(tenant, &row.processor), row.segment.id());
        let there = self.changes.segments.get(&self.shared.read().records.segments, &key);
        let as_expected = match &write {
            SegmentWrite::Add(_) => there.is_none(),
            SegmentWrite::Change(row) | SegmentWrite::Remove(row) => {
                there.is_some_and(|there| there.fence == row.fence)
            }
        };
        if !as_expected {
            let what = format!("segment {} of processor `{}`", row.segment, row.processor);
            return Err(StoreError::Changed { what });
        }
        match write {
            SegmentWrite::Add(row) => self.changes.segments.put(key, row),
            SegmentWrite::Change(row) => {
                let fence = row.fence + 1;
                self.changes.segments.put(key, SegmentRow { fence, ..row });
            }
            SegmentWrite::Remove(_) => self.changes.segments.remove(key),
        }
        Ok(())
    }

    fn write_saga(&mut self, tenant: &str, saga: &str, write: SagaWrite) -> Result<(), StoreError> {
        let state = self.shared.read();
        let (records, changes) = (&state.records, &mut self.changes);
        let SagaWrite { mut row, effects, timers, cancelled, history, waiting, taken, .. } = write;
        let saga = named(tenant, saga);
        let key = (saga.clone(), row.id);
        let changed = || StoreError::Changed { what: format!("instance {} of saga `{}`", row.id, saga.1) };
        let before = changes.sagas.get(&records.sagas, &key);
        if before.as_ref().map_or(0, |before| before.revision) != row.revision {
            return Err(changed());
        }
        if let Some(start) = &row.key {
            let holder = changes.saga_keys.get(&records.saga_keys, &(saga.clone(), start.clone()));
            if holder.is_some_and(|holder| holder != row.id) {
                return Err(changed());
            }
            changes.saga_keys.put((saga.clone(), start.clone()), row.id);
        }
        if let Some(left) = before.as_ref().and_then(|before| before.key.clone()).filter(|_| row.key.is_none()) {
            changes.saga_keys.remove((saga.clone(), left));
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
        if row.status.is_ended() {
            row.associations.clear();
            let first = (saga.clone(), row.id, String::new());
            let own = changes.timers.run(&records.timers, &first, |key| (&key.0, key.1) == (&saga, row.id));
            own.into_keys().for_each(|key| changes.timers.remove(key));
        }
        for association in &row.associations {
            changes.associations.put((saga.clone(), association.clone(), row.id), ());
        }
        taken.into_iter().for_each(|number| changes.waiting.remove((key.clone(), number)));
        waiting.into_iter().for_each(|input| changes.waiting.put((key.clone(), input.number), input));
        row.revision += 1;
        changes.sagas.put(key, row);
        changes.add_effects(records, effects);
        changes.add_history(records, &saga, history);
        Ok(())
    }
}

/// Where an effect stands among those of its scope, if it has one.
pub(super) fn scope_key(effect: &Effect, place: u64) -> Option<ScopeKey> {
    let scope = effect.scope.clone()?;
    Some((named(&effect.tenant, &effect.saga), scope, effect.label.clone(), place))
}

fn letter_key(letter: &DeadLetter) -> LetterKey {
    (named(&letter.tenant, &letter.processor), letter.position, letter.place)
}

#[async_trait]
impl StoreTransaction for MemoryTransaction {
    async fn advance(&mut self, segments: &[Advance]) -> Result<(), StoreError> {
        let moved = segments.iter().map(|Advance { claim, position, details }| {
            let (key, row) = self.claimed(claim)?;
            let details = details.clone().unwrap_or_else(|| row.details.clone());
            Ok((key, SegmentRow { position: *position, details, ..row }))
        });
        for (key, row) in moved.collect::<Result<Vec<_>, StoreError>>()? {
            self.changes.segments.put(key, row);
        }
        Ok(())
    }

    async fn guard(&mut self, claims: &[Claim]) -> Result<(), StoreError> {
        claims.iter().try_for_each(|claim| self.claimed(claim).map(|_| ()))
    }

    async fn lock_segments(&mut self, tenant: &str, processor: &str) -> Result<Vec<SegmentRow>, StoreError> {
        let state = self.shared.read();
        let processor = named(tenant, processor);
        let first = (processor.clone(), 0);
        let own = self.changes.segments.run(&state.records.segments, &first, |(of, _)| *of == processor);
        Ok(own.into_values().collect())
    }

    async fn write_segments(&mut self, tenant: &str, writes: Vec<SegmentWrite>) -> Result<(), StoreError> {
        writes.into_iter().try_for_each(|write| self.write_segment(tenant, write))
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

    async fn write_documents(&mut self, view: &ViewId, changes: Vec<DocumentChange>) -> Result<(), StoreError> {
        let state = self.shared.read();
        for DocumentChange { key, body, index } in changes {
            let key = (view.clone(), key);
            let before = self.changes.documents.get(&state.records.documents, &key).unwrap_or_default();
            let mut written = StoredDocument { revision: before.revision + 1, body, entries: before.entries };
            index.apply_to(&mut written.entries);
            self.changes.documents.put(key, written);
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

    async fn clear_entries(&mut self, view: &ViewId, key: &str) -> Result<(), StoreError> {
        let state = self.shared.read();
        let key = (view.clone(), key.to_owned());
        if let Some(document) = self.changes.documents.get(&state.records.documents, &key) {
            self.changes.documents.put(key, StoredDocument { entries: BTreeSet::new(), ..document });
        }
        Ok(())
    }

    async fn find_sagas(
        &mut self,
        tenant: &str,
        saga: &str,
        associations: &[Association],
        wanted: &[SagaId],
    ) -> Result<Vec<SagaRow>, StoreError> {
        let state = self.shared.read();
        let saga = named(tenant, saga);
        let mut ids = wanted.to_vec();
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
            .filter(|row| !row.status.is_ended() || wanted.contains(&row.id));
        Ok(rows.collect())
    }

    async fn write_sagas(&mut self, tenant: &str, saga: &str, writes: Vec<SagaWrite>) -> Result<(), StoreError> {
        writes.into_iter().try_for_each(|write| self.write_saga(tenant, saga, write))
    }

    async fn add_history(&mut self, tenant: &str, saga: &str, rows: Vec<HistoryRow>) -> Result<(), StoreError> {
        self.changes.add_history(&self.shared.read().records, &named(tenant, saga), rows);
        Ok(())
    }

    async fn timers(&mut self, tenant: &str, saga: &str, ids: &[SagaId]) -> Result<Vec<Timer>, StoreError> {
        let (state, saga) = (self.shared.read(), named(tenant, saga));
        let mut found = Vec::new();
        for id in ids {
            let first = (saga.clone(), *id, String::new());
            let own = self.changes.timers.run(&state.records.timers, &first, |key| (&key.0, key.1) == (&saga, *id));
            found.extend(own.into_values());
        }
        found.sort_by(|one, other| (one.due, one.saga_id, &one.name).cmp(&(other.due, other.saga_id, &other.name)));
        Ok(found)
    }

    async fn open_among(&mut self, tenant: &str, effects: &[CommandId]) -> Result<Vec<CommandId>, StoreError> {
        let state = self.shared.read();
        let there = |id: &&CommandId| {
            self.changes.effect_ids.get(&state.records.effect_ids, &(tenant.to_owned(), **id)).is_some()
        };
        Ok(effects.iter().filter(there).copied().collect())
    }

    async fn add_effects(&mut self, effects: Vec<Effect>) -> Result<(), StoreError> {
        let state = self.shared.read();
        for effect in &effects {
            self.changes.remove_effect(&state.records, (effect.tenant.clone(), effect.command));
            if let (Some(scope), Some(label)) = (&effect.scope, &effect.label) {
                let of = named(&effect.tenant, &effect.saga);
                self.changes.cancel_effects(&state.records, &of, scope, Some(label));
            }
        }
        self.changes.add_effects(&state.records, effects);
        Ok(())
    }

    async fn finish_effects(&mut self, tenant: &str, effects: &[CommandId]) -> Result<u64, StoreError> {
        let state = self.shared.read();
        let ids = effects.iter().map(|id| (tenant.to_owned(), *id));
        Ok(ids.filter(|key| self.changes.remove_effect(&state.records, key.clone())).count() as u64)
    }

    async fn cancel_effects(
        &mut self,
        tenant: &str,
        saga: &str,
        scope: &str,
        label: Option<&str>,
    ) -> Result<u64, StoreError> {
        let state = self.shared.read();
        Ok(self.changes.cancel_effects(&state.records, &named(tenant, saga), scope, label))
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
        let Some((place, mut effect)) = self.changes.take_effect(&state.records, &key) else { return Ok(false) };
        effect.attempts = attempts;
        match next {
            Ok(instant) => (effect.not_before, effect.parked) = (instant, None),
            Err(reason) => effect.parked = Some(reason),
        }
        self.changes.put_effect(place, effect);
        Ok(true)
    }

    async fn held_sequences(
        &mut self,
        tenant: &str,
        processor: &str,
        sequences: &[String],
    ) -> Result<Vec<(String, String)>, StoreError> {
        let held = self.holding(tenant, processor).into_iter().map(|letter| (letter.component, letter.sequence));
        let held: BTreeSet<_> = held.filter(|(_, sequence)| sequences.contains(sequence)).collect();
        Ok(held.into_iter().collect())
    }

    async fn count_letters(
        &mut self,
        tenant: &str,
        processor: &str,
        component: &str,
        sequence: &str,
    ) -> Result<(u64, u64), StoreError> {
        let holding = self.holding(tenant, processor);
        let own = |letter: &&DeadLetter| letter.component == component && letter.sequence == sequence;
        let sequences: BTreeSet<_> = holding.iter().map(|letter| (&letter.component, &letter.sequence)).collect();
        Ok((sequences.len() as u64, holding.iter().filter(own).count() as u64))
    }

    async fn add_letter(&mut self, letter: DeadLetter) -> Result<(), StoreError> {
        self.changes.letters.put(letter_key(&letter), letter);
        Ok(())
    }

    async fn update_letter(&mut self, letter: &DeadLetter) -> Result<bool, StoreError> {
        let key = letter_key(letter);
        let Some(there) = self.changes.letters.get(&self.shared.read().records.letters, &key) else { return Ok(false) };
        let DeadLetter { attempts, state, error, .. } = letter.clone();
        self.changes.letters.put(key, DeadLetter { attempts, state, error, ..there });
        Ok(true)
    }

    async fn remove_letter(&mut self, letter: &DeadLetter) -> Result<bool, StoreError> {
        let key = letter_key(letter);
        let there = self.changes.letters.get(&self.shared.read().records.letters, &key).is_some();
        self.changes.letters.remove(key);
        Ok(there)
    }

    async fn clear_letters(&mut self, tenant: &str, processor: &str, after: Position) -> Result<u64, StoreError> {
        let keys = self.letters(tenant, processor).into_keys().filter(|(_, position, _)| *position > after);
        Ok(keys.map(|key| self.changes.letters.remove(key)).count() as u64)
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
