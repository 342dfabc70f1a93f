//! The committed records beside the events.

use std::collections::{BTreeSet, HashSet};
use std::ops::Bound;

use tokio::time::Instant;

use crate::message::{CommandId, Position, SagaId, StreamId, Timestamp};
use crate::store::documents::{DocumentPlace, DocumentQuery, FoundDocument, IndexEntry};
use crate::store::plan::{DocumentState, Plan};
use crate::store::records::{DeadLetter, Document, LetterCount, LetterState, ViewId};
use crate::store::sagas::{Association, Effect, HistoryRow, SagaRow, Timer, WaitingInput};
use crate::store::segment::{NodeRow, SegmentRow};

use super::changes::Rows;

/// A node, and until when it is taken for alive.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) processors: Vec<String>,
    pub(super) until: Instant,
}

/// A document; without a body it was removed.
#[derive(Debug, Clone, Default)]
pub(super) struct StoredDocument {
    pub(super) revision: u64,
    pub(super) body: Option<Vec<u8>>,
    /// Its entries under the indexes of the view.
    pub(super) entries: BTreeSet<IndexEntry>,
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
/// Instance and place.
pub(super) type HistoryKey = (SagaKey, u64);
/// Instance and number.
pub(super) type WaitingKey = (SagaKey, u64);
/// Tenant and command.
pub(super) type EffectKey = (String, CommandId);
/// Tenant and saga, scope, label and place.
pub(super) type ScopeKey = (Named, String, Option<String>, u64);
/// Tenant and saga, instant and place.
pub(super) type DueKey = (Named, Timestamp, u64);
/// Tenant and saga, instance, number and place.
pub(super) type OrderKey = (Named, SagaId, u64, u64);
/// Processor, event and step.
pub(super) type LetterKey = (Named, Position, u32);
/// Processor and segment.
pub(super) type SegmentKey = (Named, u32);

/// One table for each kind of record.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// By tenant and id.
    pub(super) nodes: Rows<Named, Node>,
    pub(super) segments: Rows<SegmentKey, SegmentRow>,
    pub(super) documents: Rows<DocumentKey, StoredDocument>,
    pub(super) sagas: Rows<SagaKey, SagaRow>,
    pub(super) associations: Rows<AssociationKey, ()>,
    /// By their place in the order of commits.
    pub(super) effects: Rows<u64, Effect>,
    pub(super) effect_ids: Rows<EffectKey, u64>,
    /// Their places, by scope and label.
    pub(super) effect_scopes: Rows<ScopeKey, ()>,
    /// The places of those that were not given up, by their instants.
    pub(super) effect_dues: Rows<DueKey, ()>,
    /// Their groups, by instance and number.
    pub(super) effect_order: Rows<OrderKey, u64>,
    pub(super) timers: Rows<TimerKey, Timer>,
    /// By their place in the order of commits.
    pub(super) history: Rows<HistoryKey, HistoryRow>,
    pub(super) waiting: Rows<WaitingKey, WaitingInput>,
    /// Of running instances, by their keys.
    pub(super) saga_keys: Rows<(Named, String), SagaId>,
    pub(super) letters: Rows<LetterKey, DeadLetter>,
}

impl Records {
    pub(super) fn nodes(&self, tenant: &str) -> Vec<NodeRow> {
        let now = Instant::now();
        let all = self.nodes.range(named(tenant, "")..).take_while(|((of, _), _)| of == tenant);
        let rows = all.map(|((_, id), node)| NodeRow {
            id: id.clone(),
            name: node.name.clone(),
            processors: node.processors.clone(),
            live: node.until > now,
        });
        rows.collect()
    }

    pub(super) fn leave(&mut self, tenant: &str, node: &str, clean: bool) {
        self.nodes.remove(&named(tenant, node));
        let own = self.segments.iter_mut().filter(|(((of, _), _), _)| clean && of == tenant);
        for (_, row) in own.filter(|(_, row)| row.owner.as_deref() == Some(node)) {
            row.owner = None;
        }
    }

    pub(super) fn segments(&self, tenant: &str) -> Vec<SegmentRow> {
        let all = self.segments.range((named(tenant, ""), 0)..).take_while(|(((of, _), _), _)| of == tenant);
        all.map(|(_, row)| row.clone()).collect()
    }

    pub(super) fn token(&self, tenant: &str, name: &str) -> Option<Position> {
        let processor = named(tenant, name);
        let own = self.segments.range((processor.clone(), 0)..).take_while(|((of, _), _)| *of == processor);
        own.map(|(_, row)| row.position).min()
    }

    pub(super) fn document_state(&self, view: &ViewId, key: &str) -> Option<DocumentState> {
        self.documents.get(&(view.clone(), key.to_owned())).map(StoredDocument::state)
    }

    pub(super) fn store_documents(&mut self, plan: &Plan<'_>) {
        for ((view, key, revision, body), (_, _, index)) in plan.documents.iter().zip(&plan.index) {
            let document = self.documents.entry(((*view).clone(), (*key).to_owned())).or_default();
            document.revision = *revision;
            document.body = body.map(<[u8]>::to_vec);
            index.apply_to(&mut document.entries);
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

    fn matching<'a>(
        &'a self,
        query: &'a DocumentQuery,
    ) -> impl Iterator<Item = (DocumentPlace, (&'a String, &'a StoredDocument))> {
        self.documents
            .range((query.view.clone(), String::new())..)
            .take_while(|((of, _), _)| *of == query.view)
            .filter(|(_, stored)| stored.body.is_some())
            .filter_map(|((_, key), stored)| Some((query.place_of(key, &stored.entries)?, (key, stored))))
    }

    pub(super) fn find_documents(&self, query: &DocumentQuery) -> Vec<FoundDocument> {
        let page = query.page_of(self.matching(query)).into_iter();
        page.filter_map(|(place, (key, stored))| Some(FoundDocument { document: stored.at(key)?, value: place.value }))
            .collect()
    }

    pub(super) fn count_documents(&self, query: &DocumentQuery) -> u64 {
        self.matching(query).count() as u64
    }

    /// The dead letters of `processor`, in order.
    fn letters<'a>(&'a self, tenant: &str, processor: &str) -> impl Iterator<Item = &'a DeadLetter> + use<'a> {
        let processor = named(tenant, processor);
        let all = self.letters.range((processor.clone(), Position::START, 0)..);
        all.take_while(move |((of, _, _), _)| *of == processor).map(|(_, letter)| letter)
    }

    /// Of each sequence that is held up the first letter.
    fn first_letters(&self, tenant: &str, processor: &str) -> Vec<&DeadLetter> {
        let mut seen = HashSet::new();
        let holding = self.letters(tenant, processor).filter(|letter| letter.state.holds());
        holding.filter(|letter| seen.insert((&letter.component, &letter.sequence))).collect()
    }

    pub(super) fn dead_letters(
        &self,
        tenant: &str,
        processor: &str,
        after: (Position, u32),
        limit: usize,
    ) -> Vec<DeadLetter> {
        let all = self.letters(tenant, processor).filter(|letter| (letter.position, letter.place) > after);
        all.take(limit).cloned().collect()
    }

    pub(super) fn letter_count(&self, tenant: &str, processor: &str) -> LetterCount {
        let mut count =
            LetterCount { sequences: self.first_letters(tenant, processor).len() as u64, ..LetterCount::default() };
        for letter in self.letters(tenant, processor) {
            match letter.state {
                LetterState::Skipped => count.skipped += 1,
                LetterState::Parked => (count.letters, count.parked) = (count.letters + 1, count.parked + 1),
                LetterState::Retrying(_) => count.letters += 1,
            }
        }
        count
    }

    /// Those that are tried again, the earliest first.
    fn retried(&self, tenant: &str, processor: &str) -> Vec<(Timestamp, &DeadLetter)> {
        let first = self.first_letters(tenant, processor).into_iter();
        let mut retried: Vec<_> = first
            .filter_map(|letter| match letter.state {
                LetterState::Retrying(at) => Some((at, letter)),
                _ => None,
            })
            .collect();
        retried.sort_by_key(|(at, letter)| (*at, letter.position, letter.place));
        retried
    }

    pub(super) fn due_letters(&self, tenant: &str, processor: &str, now: Timestamp, limit: usize) -> Vec<DeadLetter> {
        let due = self.retried(tenant, processor).into_iter().filter(|(at, _)| *at <= now);
        due.map(|(_, letter)| letter.clone()).take(limit).collect()
    }

    pub(super) fn next_letter(&self, tenant: &str, processor: &str) -> Option<Timestamp> {
        self.retried(tenant, processor).first().map(|(at, _)| *at)
    }

    pub(super) fn letter_of_stream(
        &self,
        tenant: &str,
        processor: &str,
        stream: &StreamId,
        until: Position,
    ) -> Option<DeadLetter> {
        let stream = stream.to_string();
        let holding = self.letters(tenant, processor).filter(|letter| letter.state.holds());
        holding.filter(|letter| letter.position <= until).find(|letter| letter.stream == stream).cloned()
    }
}
