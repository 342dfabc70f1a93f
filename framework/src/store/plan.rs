//! The rules of an append, once for every backend.
//!
//! A backend holds its append lock, looks up the [`Facts`] that a batch of appends depends on, asks [`plan`] what to
//! write, writes it, and commits. The rules see appends in order, so that a later append of a batch meets what an
//! earlier one did. A refused append leaves its neighbours alone.

use std::collections::{HashMap, HashSet};

use crate::message::{CommandId, EventId, Position, StreamId, Version};

use super::append::{Append, Appended, CommandRecord, NewEvent};
use super::error::{AppendError, Conflict};
use super::records::ViewId;

/// What the store knows, under its append lock, about everything that a batch touches.
#[derive(Debug, Default)]
pub struct Facts {
    /// Position of the newest event.
    pub head: Position,
    /// Newest version of each stream in question; missing for a stream without events.
    pub streams: HashMap<(String, StreamId), Version>,
    /// Place of each event id in question that is stored already.
    pub events: HashMap<EventId, Place>,
    /// Record of each command id in question that was executed already.
    pub commands: HashMap<(String, CommandId), CommandRecord>,
    /// State of each document in question; missing for one that never was.
    pub documents: HashMap<(ViewId, String), DocumentState>,
    /// Of the batch's appends, by index: those whose condition is broken by a stored event.
    pub broken_conditions: HashSet<usize>,
}

/// Where a stored event stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its tenant.
    pub tenant: String,
    /// Its stream.
    pub stream: StreamId,
    /// Its version.
    pub version: Version,
    /// Its position.
    pub position: Position,
}

/// What the store knows about a document, also after its removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentState {
    /// The revision of its last write.
    pub revision: u64,
    /// Whether that write removed it. Readers then see no document and expect revision 0.
    pub removed: bool,
}

impl DocumentState {
    /// The revision that a reader of the document sees; 0 where it sees none.
    #[must_use]
    pub fn seen(self) -> u64 {
        if self.removed { 0 } else { self.revision }
    }
}

/// What a backend has to look up for a batch.
#[derive(Debug, Default)]
pub struct Questions<'a> {
    /// Streams whose newest version is wanted.
    pub streams: HashSet<(&'a str, &'a StreamId)>,
    /// Event ids that may be stored already.
    pub events: Vec<EventId>,
    /// Command ids that may be recorded already.
    pub commands: HashSet<(&'a str, CommandId)>,
    /// Documents whose revision is wanted.
    pub documents: HashSet<(&'a ViewId, &'a str)>,
}

impl<'a> Questions<'a> {
    /// Everything that [`plan`] needs to know for `batch`, but for the conditions.
    #[must_use]
    pub fn of(batch: &'a [Append]) -> Self {
        let mut questions = Self::default();
        for append in batch {
            let tenant = append.tenant.as_str();
            questions.streams.extend(append.events.iter().map(|event| (tenant, &event.stream)));
            questions.streams.extend(append.expected.iter().map(|(stream, _)| (tenant, stream)));
            questions.events.extend(append.events.iter().map(|event| event.id));
            questions.commands.extend(append.command.iter().map(|command| (tenant, command.id)));
            questions.documents.extend(append.documents.iter().map(|write| (&write.view, write.key.as_str())));
        }
        questions
    }
}

/// What to write for a batch, and the answer to each of its appends.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Events with their places, in position order.
    pub events: Vec<(&'a str, &'a NewEvent, Version, Position)>,
    /// Commands to record.
    pub commands: Vec<(&'a str, CommandRecord)>,
    /// Documents to write, each with its new revision; the last write of a document wins.
    pub documents: Vec<(&'a ViewId, &'a str, u64, Option<&'a [u8]>)>,
    /// One answer for each append, in order.
    pub answers: Vec<Result<Appended, AppendError>>,
}

impl Plan<'_> {
    /// Whether there is anything to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.commands.is_empty() && self.documents.is_empty()
    }
}

/// Decides what of `batch` is stored, and where.
#[must_use]
pub fn plan<'a>(batch: &'a [Append], facts: Facts) -> Plan<'a> {
    let mut planner = Planner {
        facts,
        plan: Plan { events: Vec::new(), commands: Vec::new(), documents: Vec::new(), answers: Vec::new() },
    };
    for (index, append) in batch.iter().enumerate() {
        let answer = planner.append(index, append);
        planner.plan.answers.push(answer);
    }
    planner.plan
}

struct Planner<'a> {
    facts: Facts,
    plan: Plan<'a>,
}

impl<'a> Planner<'a> {
    fn append(&mut self, index: usize, append: &'a Append) -> Result<Appended, AppendError> {
        if let Some(repeated) = self.repeated(append)? {
            return Ok(repeated);
        }
        self.check_command(append)?;
        self.check_streams(append)?;
        self.check_condition(index, append)?;
        self.check_documents(append)?;
        Ok(self.accept(append))
    }

    /// The first places of an append whose events are all stored already.
    fn repeated(&self, append: &Append) -> Result<Option<Appended>, AppendError> {
        let mut ids = HashSet::new();
        if let Some(twice) = append.events.iter().find(|event| !ids.insert(event.id)) {
            return Err(AppendError::EventIdTaken { id: twice.id });
        }
        let Some(known) = append.events.iter().find(|event| self.facts.events.contains_key(&event.id)) else {
            return Ok(None);
        };
        let places: Option<Vec<&Place>> = append
            .events
            .iter()
            .map(|event| {
                self.facts
                    .events
                    .get(&event.id)
                    .filter(|place| place.stream == event.stream && place.tenant == append.tenant)
            })
            .collect();
        let Some(places) = places else { return Err(AppendError::EventIdTaken { id: known.id }) };
        let mut versions: Vec<(StreamId, Version)> = Vec::new();
        for place in &places {
            note_version(&mut versions, &place.stream, place.version);
        }
        let position = places.iter().map(|place| place.position).max().unwrap_or_default();
        Ok(Some(Appended { position, versions, repeated: true }))
    }

    fn check_command(&self, append: &Append) -> Result<(), AppendError> {
        let recorded =
            append.command.as_ref().and_then(|command| self.facts.commands.get(&(append.tenant.clone(), command.id)));
        match recorded {
            Some(record) => Err(AppendError::CommandRepeated(Box::new(record.clone()))),
            None => Ok(()),
        }
    }

    fn check_streams(&self, append: &Append) -> Result<(), Conflict> {
        for (stream, expected) in &append.expected {
            let actual = self.facts.streams.get(&(append.tenant.clone(), stream.clone())).copied();
            if !expected.holds_for(actual) {
                return Err(Conflict::Stream { stream: stream.clone(), expected: expected.to_string(), actual });
            }
        }
        Ok(())
    }

    fn check_condition(&self, index: usize, append: &Append) -> Result<(), Conflict> {
        let Some(condition) = &append.condition else { return Ok(()) };
        let broken = self.facts.broken_conditions.contains(&index)
            || self.plan.events.iter().any(|(tenant, event, _, position)| {
                *tenant == append.tenant
                    && *position > condition.after
                    && condition.criteria.matches(&event.name, &event.tags)
            });
        if broken { Err(Conflict::Condition { after: condition.after }) } else { Ok(()) }
    }

    fn check_documents(&self, append: &Append) -> Result<(), Conflict> {
        for write in &append.documents {
            let state = self.facts.documents.get(&(write.view.clone(), write.key.clone()));
            if state.map_or(0, |state| state.seen()) != write.read_revision {
                return Err(Conflict::Document { view: write.view.to_string(), key: write.key.clone() });
            }
        }
        Ok(())
    }

    fn accept(&mut self, append: &'a Append) -> Appended {
        let mut versions = Vec::new();
        for event in &append.events {
            let key = (append.tenant.clone(), event.stream.clone());
            let version = Version::after(self.facts.streams.get(&key).copied());
            let position = self.facts.head.next();
            self.facts.head = position;
            self.facts.streams.insert(key, version);
            self.facts.events.insert(
                event.id,
                Place { tenant: append.tenant.clone(), stream: event.stream.clone(), version, position },
            );
            self.plan.events.push((&append.tenant, event, version, position));
            note_version(&mut versions, &event.stream, version);
        }
        for write in &append.documents {
            let key = (write.view.clone(), write.key.clone());
            let revision = self.facts.documents.get(&key).map_or(0, |state| state.revision) + 1;
            self.facts.documents.insert(key, DocumentState { revision, removed: write.document.is_none() });
            self.plan.documents.push((&write.view, &write.key, revision, write.document.as_deref()));
        }
        if let Some(command) = &append.command {
            let mut record = command.clone();
            record.position = self.facts.head;
            record.version = versions.last().map(|(_, version)| *version).or(command.version);
            self.facts.commands.insert((append.tenant.clone(), record.id), record.clone());
            self.plan.commands.push((&append.tenant, record));
        }
        Appended { position: self.facts.head, versions, repeated: false }
    }
}

fn note_version(versions: &mut Vec<(StreamId, Version)>, stream: &StreamId, version: Version) {
    match versions.iter_mut().find(|(noted, _)| noted == stream) {
        Some((_, noted)) => *noted = version.max(*noted),
        None => versions.push((stream.clone(), version)),
    }
}
