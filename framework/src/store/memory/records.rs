//! The committed records beside the events.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;

use crate::message::{CommandId, Position, SagaId, Timestamp};
use crate::store::plan::{DocumentState, Plan};
use crate::store::records::{Association, Claim, DeadLetter, Document, Effect, SagaRow, Timer, ViewId};

use super::changes::Rows;

/// A processor's progress and the number of its newest claim.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) position: Position,
    pub(super) fence: u64,
}

/// A document; without a body it was removed.
#[derive(Debug, Clone)]
pub(super) struct StoredDocument {
    pub(super) revision: u64,
    pub(super) body: Option<Vec<u8>>,
}

impl StoredDocument {
    pub(super) fn state(&self) -> DocumentState {
        DocumentState { revision: self.revision, removed: self.body.is_none() }
    }

    pub(super) fn at(&self, key: &str) -> Option<Document> {
        let body = self.body.clone()?;
        Some(Document { key: key.to_owned(), revision: self.revision, body })
    }
}

/// A tenant, and the name of something of its own.
pub(super) type Named = (String, String);

pub(super) fn named(tenant: &str, name: &str) -> Named {
    (tenant.to_owned(), name.to_owned())
}

/// View and key.
pub(super) type DocumentKey = (ViewId, String);
/// Saga and instance.
pub(super) type SagaKey = (Named, SagaId);
/// Saga, by what it is found, instance.
pub(super) type AssociationKey = (Named, Association, SagaId);
/// Saga, instance, name.
pub(super) type TimerKey = (Named, SagaId, String);
/// Tenant and command.
pub(super) type EffectKey = (String, CommandId);
/// Processor and event.
pub(super) type LetterKey = (Named, Position);

/// One table for each kind of record.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) tokens: Rows<Named, Token>,
    pub(super) documents: Rows<DocumentKey, StoredDocument>,
    pub(super) sagas: Rows<SagaKey, SagaRow>,
    pub(super) associations: Rows<AssociationKey, ()>,
    /// By their place in the order of commits.
    pub(super) effects: Rows<u64, Effect>,
    pub(super) effect_ids: Rows<EffectKey, u64>,
    pub(super) timers: Rows<TimerKey, Timer>,
    pub(super) letters: Rows<LetterKey, DeadLetter>,
}

impl Records {
    pub(super) fn claim(&mut self, tenant: &str, name: &str) -> Claim {
        let token = self.tokens.entry(named(tenant, name)).or_insert(Token { position: Position::START, fence: 0 });
        token.fence += 1;
        Claim { tenant: tenant.to_owned(), processor: name.to_owned(), fence: token.fence, position: token.position }
    }

    pub(super) fn token(&self, tenant: &str, name: &str) -> Option<Position> {
        self.tokens.get(&named(tenant, name)).map(|token| token.position)
    }

    pub(super) fn document_state(&self, view: &ViewId, key: &str) -> Option<DocumentState> {
        self.documents.get(&(view.clone(), key.to_owned())).map(StoredDocument::state)
    }

    pub(super) fn store_documents(&mut self, plan: &Plan<'_>) {
        for (view, key, revision, body) in &plan.documents {
            let stored = StoredDocument { revision: *revision, body: body.map(<[u8]>::to_vec) };
            self.documents.insert(((*view).clone(), (*key).to_owned()), stored);
        }
    }

    pub(super) fn documents(&self, view: &ViewId, keys: &[String]) -> Vec<Document> {
        let distinct: HashSet<&String> = keys.iter().collect();
        let found = distinct.into_iter().filter_map(|key| self.documents.get(&(view.clone(), key.clone()))?.at(key));
        found.collect()
    }

    pub(super) fn scan_documents(&self, view: &ViewId, after: Option<&str>, limit: usize) -> Vec<Document> {
        let first = match after {
            Some(after) => Bound::Excluded((view.clone(), after.to_owned())),
            None => Bound::Included((view.clone(), String::new())),
        };
        self.documents
            .range((first, Bound::Unbounded))
            .take_while(|((of, _), _)| of == view)
            .filter_map(|((_, key), stored)| stored.at(key))
            .take(limit)
            .collect()
    }

    /// The oldest open effect of each instance of `saga`, in the order of their commits.
    fn first_effects<'a>(&'a self, tenant: &'a str, saga: &'a str) -> impl Iterator<Item = &'a Effect> {
        let mut first: BTreeMap<SagaId, (u64, u64)> = BTreeMap::new();
        for (place, effect) in self.effects.iter().filter(|(_, effect)| effect.tenant == tenant && effect.saga == saga)
        {
            let entry = first.entry(effect.saga_id).or_insert((effect.number, *place));
            *entry = (*entry).min((effect.number, *place));
        }
        let mut places: Vec<u64> = first.into_values().map(|(_, place)| place).collect();
        places.sort_unstable();
        places.into_iter().filter_map(|place| self.effects.get(&place))
    }

    pub(super) fn due_effects(&self, tenant: &str, saga: &str, now: Timestamp, limit: usize) -> Vec<Effect> {
        let due = self.first_effects(tenant, saga).filter(|effect| effect.parked.is_none() && effect.not_before <= now);
        let mut due: Vec<&Effect> = due.collect();
        due.sort_by_key(|effect| effect.not_before);
        due.into_iter().take(limit).cloned().collect()
    }

    pub(super) fn next_effect(&self, tenant: &str, saga: &str) -> Option<Timestamp> {
        let waiting = self.first_effects(tenant, saga).filter(|effect| effect.parked.is_none());
        waiting.map(|effect| effect.not_before).min()
    }

    pub(super) fn open_effects(&self, tenant: &str, saga: &str, limit: usize) -> Vec<Effect> {
        self.effects
            .values()
            .filter(|effect| effect.tenant == tenant && effect.saga == saga)
            .take(limit)
            .cloned()
            .collect()
    }

    pub(super) fn due_timers(&self, tenant: &str, saga: &str, now: Timestamp, limit: usize) -> Vec<Timer> {
        let due = self.timers.values().filter(|timer| timer.tenant == tenant && timer.saga == saga && timer.due <= now);
        let mut due: Vec<Timer> = due.cloned().collect();
        due.sort_by_key(|timer| timer.due);
        due.truncate(limit);
        due
    }

    pub(super) fn next_timer(&self, tenant: &str, saga: &str) -> Option<Timestamp> {
        self.timers.values().filter(|timer| timer.tenant == tenant && timer.saga == saga).map(|timer| timer.due).min()
    }

    pub(super) fn dead_letters(&self, tenant: &str, processor: &str, limit: usize) -> Vec<DeadLetter> {
        let processor = named(tenant, processor);
        let all = self.letters.range((processor.clone(), Position::START)..);
        all.take_while(|((of, _), _)| *of == processor).map(|(_, letter)| letter.clone()).take(limit).collect()
    }
}
