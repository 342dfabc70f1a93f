//! The rules of an append, once for every backend.
//!
//! A backend holds its append lock, looks up the [`Facts`] that a batch of appends depends on, asks [`plan`] what to
//! write, writes it, and commits. The rules see appends in order, so that a later append of a batch meets what an
//! earlier one did. A refused append leaves its neighbours alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::message::{CommandId, EventId, Position, StreamId, Version};

use super::append::{Append, Appended, CommandRecord, NewEvent, SnapshotWrite};
use super::documents::IndexChange;
use super::error::{AppendError, Conflict};
use super::exchange::Import;
use super::records::ViewId;
use super::sagas::Effect;
use super::stream::StreamStatus;

/// A map with a quick hash that is seeded anew for each map.
pub type Map<K, V> = HashMap<K, V, RandomState>;
/// A set with a quick hash that is seeded anew for each set.
pub type Set<K> = HashSet<K, RandomState>;

/// What the rules of an append ask a store, under its append lock. [`Facts`] answers from what was looked up before; a
/// store in memory may answer by itself.
pub trait Known {
    /// Position of the newest event.
    fn head(&self) -> Position;
    /// State of a stream; `None` for one that never had an event.
    fn stream(&self, tenant: &str, stream: &StreamId) -> Option<StreamState>;
    /// Place of a stored event.
    fn event(&self, id: EventId) -> Option<Place>;
    /// Record of a command that was executed.
    fn command(&self, tenant: &str, id: CommandId) -> Option<CommandRecord>;
    /// State of a document; `None` for one that never was.
    fn document(&self, view: &ViewId, key: &str) -> Option<DocumentState>;
    /// Whether a stored event breaks the condition of `append`, which is the batch's append of this index.
    fn breaks_condition(&self, index: usize, append: &Append) -> bool;
}

/// What the store knows, under its append lock, about everything that a batch touches.
#[derive(Debug, Default)]
pub struct Facts {
    /// Position of the newest event.
    pub head: Position,
    /// State of each stream in question; missing for a stream that never had an event.
    pub streams: Map<(String, StreamId), StreamState>,
    /// Place of each event id in question that is stored already.
    pub events: Map<EventId, Place>,
    /// Record of each command id in question that was executed already.
    pub commands: Map<(String, CommandId), CommandRecord>,
    /// State of each document in question; missing for one that never was.
    pub documents: Map<(ViewId, String), DocumentState>,
    /// Of the batch's appends, by index: those whose condition is broken by a stored event.
    pub broken_conditions: Set<usize>,
}

impl Known for Facts {
    fn head(&self) -> Position {
        self.head
    }

    fn stream(&self, tenant: &str, stream: &StreamId) -> Option<StreamState> {
        self.streams.get(&(tenant.to_owned(), stream.clone())).copied()
    }

    fn event(&self, id: EventId) -> Option<Place> {
        self.events.get(&id).cloned()
    }

    fn command(&self, tenant: &str, id: CommandId) -> Option<CommandRecord> {
        self.commands.get(&(tenant.to_owned(), id)).cloned()
    }

    fn document(&self, view: &ViewId, key: &str) -> Option<DocumentState> {
        self.documents.get(&(view.clone(), key.to_owned())).copied()
    }

    fn breaks_condition(&self, index: usize, _: &Append) -> bool {
        self.broken_conditions.contains(&index)
    }
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

/// What the store knows about a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamState {
    /// The newest version that was ever given.
    pub newest: Version,
    /// Whether it takes appends, and whether its events are seen.
    pub status: StreamStatus,
}

impl StreamState {
    /// An open stream whose newest event has this version.
    #[must_use]
    pub fn open(newest: Version) -> Self {
        Self { newest, status: StreamStatus::Open }
    }

    /// The newest version that readers and expectations see; `None` where they see no event.
    #[must_use]
    pub fn seen(self) -> Option<Version> {
        match self.status {
            StreamStatus::Open | StreamStatus::Archived => Some(self.newest),
            StreamStatus::Deleted | StreamStatus::Tombstoned => None,
        }
    }
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
    /// Streams whose state is wanted.
    pub streams: Set<(&'a str, &'a StreamId)>,
    /// Event ids that may be stored already.
    pub events: Vec<EventId>,
    /// Command ids that may be recorded already.
    pub commands: Set<(&'a str, CommandId)>,
    /// Documents whose revision is wanted.
    pub documents: Set<(&'a ViewId, &'a str)>,
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
        questions.ask_for_bases(batch);
        questions
    }

    /// Everything that [`admit`](super::exchange::admit) needs to know for `import`.
    #[must_use]
    pub fn of_import(import: &'a Import) -> Self {
        let mut questions = Self::default();
        questions.streams.extend(import.events.iter().map(|event| (event.tenant.as_str(), &event.stream)));
        questions.events.extend(import.events.iter().map(|event| event.id));
        questions
    }
}

impl Questions<'_> {
    /// Asks for the events that appends rest on, but for those that the batch itself brings.
    fn ask_for_bases(&mut self, batch: &[Append]) {
        if batch.iter().all(|append| append.rests_on.is_none()) {
            return;
        }
        let own: Set<EventId> = self.events.iter().copied().collect();
        let bases: Set<EventId> = batch.iter().filter_map(|append| append.rests_on).collect();
        self.events.extend(bases.difference(&own));
    }
}

/// A document to write: view, key, new revision, and the body, `None` where it is removed.
pub type PlannedDocument<'a> = (&'a ViewId, &'a str, u64, Option<&'a [u8]>);

/// The name of an effect: tenant, saga, scope and label.
pub type EffectName<'a> = (&'a str, &'a str, &'a str, &'a str);

/// What to write for a batch, and the answer to each of its appends.
#[derive(Debug, Default)]
pub struct Plan<'a> {
    /// Events with their places, in position order.
    pub events: Vec<(&'a str, &'a NewEvent, Version, Position)>,
    /// Commands to record.
    pub commands: Vec<(&'a str, CommandRecord)>,
    /// Documents to write, each with its new revision; the last write of a document wins.
    pub documents: Vec<PlannedDocument<'a>>,
    /// What changes among the entries of those documents, in order.
    pub index: Vec<(&'a ViewId, &'a str, &'a IndexChange)>,
    /// Snapshots to keep, each with its tenant and the position of the newest event in it.
    pub snapshots: Vec<(&'a str, &'a SnapshotWrite, Position)>,
    /// What is to be sent later, by its name, and what is taken back: the last write of a name.
    pub effects: BTreeMap<EffectName<'a>, Option<&'a Effect>>,
    /// One answer for each append, in order.
    pub answers: Vec<Result<Appended, AppendError>>,
}

impl Plan<'_> {
    /// Whether there is anything to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.commands.is_empty() && self.documents.is_empty() && self.effects.is_empty()
    }
}

/// Decides what of `batch` is stored, and where.
#[must_use]
pub fn plan<'a>(batch: &'a [Append], known: impl Known) -> Plan<'a> {
    let mut planner = Planner {
        head: known.head(),
        known,
        last: batch.len().saturating_sub(1),
        streams: Map::default(),
        events: Map::default(),
        commands: Map::default(),
        documents: Map::default(),
        plan: Plan::default(),
    };
    for (index, append) in batch.iter().enumerate() {
        let answer = planner.append(index, append);
        planner.plan.answers.push(answer);
    }
    planner.plan
}

/// What is known, under what the batch has brought so far.
struct Planner<'a, K> {
    known: K,
    /// Index of the last append: nobody asks for what it brings.
    last: usize,
    head: Position,
    streams: Map<(&'a str, &'a StreamId), StreamState>,
    events: Map<EventId, Place>,
    commands: Map<(&'a str, CommandId), CommandRecord>,
    documents: Map<(&'a ViewId, &'a str), DocumentState>,
    plan: Plan<'a>,
}

impl<'a, K: Known> Planner<'a, K> {
    fn append(&mut self, index: usize, append: &'a Append) -> Result<Appended, AppendError> {
        if let Some(repeated) = self.repeated(append)? {
            return Ok(repeated);
        }
        self.check_command(append)?;
        self.check_basis(append)?;
        self.check_open(append)?;
        self.check_streams(append)?;
        self.check_condition(index, append)?;
        self.check_documents(append)?;
        Ok(self.accept(index, append))
    }

    /// The first places of an append whose events are all stored already.
    fn repeated(&self, append: &Append) -> Result<Option<Appended>, AppendError> {
        if let Some(id) = twice(append) {
            return Err(AppendError::EventIdTaken { id });
        }
        let Some(known) = append.events.iter().find(|event| self.event(event.id).is_some()) else {
            return Ok(None);
        };
        let mut versions: Vec<(StreamId, Version)> = Vec::new();
        let mut position = Position::START;
        for event in &append.events {
            let place = self.event(event.id);
            let place = place.filter(|place| place.stream == event.stream && place.tenant == append.tenant);
            let Some(place) = place else { return Err(AppendError::EventIdTaken { id: known.id }) };
            note_version(&mut versions, &place.stream, place.version);
            position = position.max(place.position);
        }
        Ok(Some(Appended { position, versions, repeated: true }))
    }

    fn check_command(&self, append: &Append) -> Result<(), AppendError> {
        let Some(CommandRecord { id, .. }) = append.command else { return Ok(()) };
        let before = self.commands.get(&(append.tenant.as_str(), id)).cloned();
        match before.or_else(|| self.known.command(&append.tenant, id)) {
            Some(record) => Err(AppendError::CommandRepeated(Box::new(record))),
            None => Ok(()),
        }
    }

    fn check_basis(&self, append: &Append) -> Result<(), Conflict> {
        let Some(event) = append.rests_on else { return Ok(()) };
        match self.event(event) {
            Some(place) if place.tenant == append.tenant => Ok(()),
            _ => Err(Conflict::Basis { event }),
        }
    }

    fn check_open(&self, append: &Append) -> Result<(), AppendError> {
        let mut before = None;
        for event in &append.events {
            if before.replace(&event.stream) == Some(&event.stream) {
                continue;
            }
            if let Some(state) = self.stream(&append.tenant, &event.stream)
                && !state.status.takes_appends()
            {
                return Err(AppendError::StreamClosed { stream: event.stream.clone(), status: state.status });
            }
        }
        Ok(())
    }

    fn check_streams(&self, append: &Append) -> Result<(), Conflict> {
        for (stream, expected) in &append.expected {
            let actual = self.stream(&append.tenant, stream).and_then(StreamState::seen);
            if !expected.holds_for(actual) {
                return Err(Conflict::Stream { stream: stream.clone(), expected: expected.to_string(), actual });
            }
        }
        Ok(())
    }

    fn check_condition(&self, index: usize, append: &Append) -> Result<(), Conflict> {
        let Some(condition) = &append.condition else { return Ok(()) };
        let broken = self.known.breaks_condition(index, append)
            || self.plan.events.iter().any(|(tenant, event, _, position)| {
                *tenant == append.tenant
                    && *position > condition.after
                    && condition.criteria.matches(&event.name, &event.tags)
            });
        if !broken {
            return Ok(());
        }
        Err(Conflict::Condition { criteria: Box::new(condition.criteria.clone()), after: condition.after })
    }

    fn check_documents(&self, append: &Append) -> Result<(), Conflict> {
        for write in &append.documents {
            let state = self.document(&write.view, &write.key);
            if state.map_or(0, DocumentState::seen) != write.read_revision {
                return Err(Conflict::Document { view: write.view.to_string(), key: write.key.clone() });
            }
        }
        Ok(())
    }

    fn stream(&self, tenant: &str, stream: &StreamId) -> Option<StreamState> {
        let brought = if self.streams.is_empty() { None } else { self.streams.get(&(tenant, stream)).copied() };
        brought.or_else(|| self.known.stream(tenant, stream))
    }

    fn event(&self, id: EventId) -> Option<Place> {
        self.events.get(&id).cloned().or_else(|| self.known.event(id))
    }

    fn document(&self, view: &ViewId, key: &str) -> Option<DocumentState> {
        self.documents.get(&(view, key)).copied().or_else(|| self.known.document(view, key))
    }

    fn accept(&mut self, index: usize, append: &'a Append) -> Appended {
        let tenant = append.tenant.as_str();
        let mut versions = Vec::new();
        // What the last event of the last append brings is asked for by nobody.
        let mut left = append.events.len() + usize::from(index < self.last);
        for event in &append.events {
            let before = self.stream(tenant, &event.stream).map(|state| state.newest);
            let (version, position) = (Version::after(before), self.head.next());
            self.head = position;
            left -= 1;
            if left > 0 {
                self.streams.insert((tenant, &event.stream), StreamState::open(version));
            }
            if index < self.last {
                let (tenant, stream) = (append.tenant.clone(), event.stream.clone());
                self.events.insert(event.id, Place { tenant, stream, version, position });
            }
            self.plan.events.push((tenant, event, version, position));
            note_version(&mut versions, &event.stream, version);
        }
        for write in &append.documents {
            let revision = self.document(&write.view, &write.key).map_or(0, |state| state.revision) + 1;
            let state = DocumentState { revision, removed: write.document.is_none() };
            self.documents.insert((&write.view, &write.key), state);
            self.plan.documents.push((&write.view, &write.key, revision, write.document.as_deref()));
            self.plan.index.push((&write.view, &write.key, &write.index));
        }
        // A snapshot of another version than the stream has now would be one of a state that never was.
        let head = self.head;
        let written = append.snapshots.iter().filter(|write| {
            versions.iter().any(|(stream, version)| *stream == write.stream && *version == write.version)
        });
        self.plan.snapshots.extend(written.map(|write| (tenant, write, head)));
        for write in &append.effects {
            let name = (tenant, write.saga.as_str(), write.scope.as_str(), write.label.as_str());
            self.plan.effects.insert(name, write.effect.as_deref());
        }
        if let Some(command) = &append.command {
            let mut record = command.clone();
            record.position = self.head;
            record.version = versions.last().map(|(_, version)| *version).or(command.version);
            if index < self.last {
                self.commands.insert((tenant, record.id), record.clone());
            }
            self.plan.commands.push((tenant, record));
        }
        Appended { position: self.head, versions, repeated: false }
    }
}

/// An event id that `append` has twice.
fn twice(append: &Append) -> Option<EventId> {
    let [_, _, ..] = append.events.as_slice() else { return None };
    let mut ids = Set::default();
    append.events.iter().find(|event| !ids.insert(event.id)).map(|event| event.id)
}

fn note_version(versions: &mut Vec<(StreamId, Version)>, stream: &StreamId, version: Version) {
    match versions.iter_mut().find(|(noted, _)| noted == stream) {
        Some((_, noted)) => *noted = version.max(*noted),
        None => versions.push((stream.clone(), version)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{
        Append, AppendError, CommandRecord, Conflict, DocumentState, Facts, NewEvent, Place, Questions, SnapshotWrite,
        StreamState, StreamStatus, ViewId, plan,
    };
    use crate::message::{CommandId, EventId, Position, StreamId, Tag, Timestamp, Version};
    use crate::store::{Condition, Criteria, Criterion, DocumentWrite, Expected, IndexChange, Outcome};

    fn stream(id: &str) -> StreamId {
        StreamId::new("wallet", id)
    }

    fn version(number: u64) -> Version {
        Version::new(number).unwrap()
    }

    fn event(id: &str) -> NewEvent {
        NewEvent {
            stream: stream(id),
            id: EventId::new(),
            name: "wallet.credited".into(),
            revision: 1,
            payload: Vec::new(),
            metadata: Arc::default(),
            tags: vec![Tag::new("wallet", id)],
            recorded_at: Timestamp::EPOCH,
        }
    }

    fn append(id: &str, expected: Expected) -> Append {
        Append { events: vec![event(id)], expected: vec![(stream(id), expected)], ..Append::default() }
    }

    /// A store with three events, the first two of them in the stream `a`.
    fn facts() -> Facts {
        let streams = [(stream("a"), version(2)), (stream("b"), version(1))];
        let streams = streams
            .into_iter()
            .map(|(stream, version)| ((String::new(), stream), StreamState::open(version)))
            .collect();
        Facts { head: Position::new(3), streams, ..Facts::default() }
    }

    fn record(id: CommandId) -> CommandRecord {
        CommandRecord {
            target: None,
            id,
            name: "wallet.credit".to_owned(),
            outcome: Outcome::Done(Vec::new()),
            recorded_at: Timestamp::EPOCH,
            position: Position::START,
            version: None,
        }
    }

    #[test]
    fn places_go_on_from_what_is_stored_and_leave_no_gap() {
        let batch =
            [append("a", Expected::Any), append("c", Expected::NoStream), append("a", Expected::Version(version(3)))];
        let plan = plan(&batch, facts());
        let places: Vec<_> = plan
            .events
            .iter()
            .map(|(_, event, version, position)| (event.stream.id(), version.get(), position.get()))
            .collect();
        assert_eq!(places, [("a", 3, 4), ("c", 1, 5), ("a", 4, 6)]);
        assert!(plan.answers.iter().all(Result::is_ok));
        assert_eq!(plan.answers[2].as_ref().unwrap().version_of(&stream("a")), Some(version(4)));
    }

    #[test]
    fn a_refused_append_leaves_its_neighbours_alone() {
        let batch =
            [append("a", Expected::Any), append("a", Expected::Version(version(2))), append("b", Expected::Exists)];
        let plan = plan(&batch, facts());
        let conflict = Conflict::Stream { stream: stream("a"), expected: "version 2".into(), actual: Some(version(3)) };
        assert!(matches!(&plan.answers[1], Err(AppendError::Conflict(found)) if *found == conflict));
        assert_eq!(plan.events.len(), 2);
        assert_eq!(plan.answers[2].as_ref().unwrap().position, Position::new(5), "the refused one took no position");
    }

    #[test]
    fn a_condition_meets_the_events_of_its_own_batch() {
        let condition = |id: &str, after| {
            let criteria = Criteria::from(Criterion::tag(Tag::new("wallet", id)));
            Some(Condition { criteria, after: Position::new(after) })
        };
        let guarded = |id: &str, about: &str| Append { condition: condition(about, 3), ..append(id, Expected::Any) };
        let batch = [guarded("x", "a"), guarded("a", "a"), guarded("y", "a"), guarded("z", "b")];
        let plan = plan(&batch, facts());
        let stored: Vec<bool> = plan.answers.iter().map(Result::is_ok).collect();
        assert_eq!(stored, [true, true, false, true], "its own events break no condition, earlier ones do");
        let mut known = facts();
        known.broken_conditions.insert(0);
        assert!(super::plan(&batch[..1], known).answers[0].is_err());
    }

    /// The version of the third append holds, since another writer's event took the place of the second's.
    #[test]
    fn an_append_that_rests_on_a_refused_one_is_refused_although_its_version_holds() {
        let refused = append("a", Expected::NoStream);
        let missing = refused.events[0].id;
        let on_top = Append { rests_on: Some(missing), ..append("a", Expected::Version(version(3))) };
        let stored = append("b", Expected::Version(version(1)));
        let basis = stored.events[0].id;
        let rests = Append { rests_on: Some(basis), ..append("b", Expected::Version(version(2))) };
        let batch = [append("a", Expected::Any), refused, on_top, stored, rests.clone()];
        let questions = Questions::of(&batch);
        assert_eq!(questions.events.len(), 5, "what the batch brings itself is asked for once");
        assert_eq!(Questions::of(std::slice::from_ref(&rests)).events, [rests.events[0].id, basis]);
        let plan = plan(&batch, facts());
        let conflict = Conflict::Basis { event: missing };
        assert!(matches!(&plan.answers[2], Err(AppendError::Conflict(found)) if *found == conflict));
        assert!(plan.answers[4].is_ok());
        assert_eq!(plan.events.len(), 3);
    }

    #[test]
    fn the_same_events_are_stored_once() {
        let first = append("a", Expected::Version(version(2)));
        let again = first.clone();
        let mut partly = first.clone();
        partly.events.push(event("a"));
        partly.expected.clear();
        let mut moved = first.clone();
        moved.events[0].stream = stream("b");
        let mut twice = append("b", Expected::Any);
        twice.events.push(twice.events[0].clone());
        let batch = [first, again, partly, moved, twice];
        let plan = plan(&batch, facts());
        let repeated = plan.answers[1].as_ref().unwrap();
        assert!(repeated.repeated, "although the expectation would now fail");
        assert_eq!((repeated.position, repeated.version_of(&stream("a"))), (Position::new(4), Some(version(3))));
        for answer in &plan.answers[2..] {
            assert!(matches!(answer, Err(AppendError::EventIdTaken { .. })), "{answer:?}");
        }
        assert_eq!(plan.events.len(), 1);
    }

    #[test]
    fn an_event_id_of_another_tenant_is_taken() {
        let batch = [append("a", Expected::Any)];
        let place =
            Place { tenant: "other".into(), stream: stream("a"), version: version(1), position: Position::new(1) };
        let known = Facts { events: [(batch[0].events[0].id, place)].into_iter().collect(), ..facts() };
        assert!(matches!(plan(&batch, known).answers[0], Err(AppendError::EventIdTaken { .. })));
    }

    #[test]
    fn a_command_is_recorded_once_with_its_place() {
        let command = record(CommandId::new());
        let with = |append: Append| Append { command: Some(command.clone()), ..append };
        let batch = [with(append("a", Expected::Any)), with(append("b", Expected::Version(version(9))))];
        let plan = plan(&batch, facts());
        let Err(AppendError::CommandRepeated(found)) = &plan.answers[1] else { panic!("{:?}", plan.answers[1]) };
        assert_eq!((found.position, found.version), (Position::new(4), Some(version(3))));
        assert_eq!(plan.commands.len(), 1);
        assert_eq!(plan.events.len(), 1, "a repeat stores nothing, and its expectation is not even looked at");
    }

    #[test]
    fn the_same_command_id_of_another_tenant_is_another_command() {
        let command = record(CommandId::new());
        let of = |tenant: &str| Append { tenant: tenant.into(), command: Some(command.clone()), ..Append::default() };
        let batch = [of("one"), of("two"), of("one")];
        let stored: Vec<bool> = plan(&batch, facts()).answers.iter().map(Result::is_ok).collect();
        assert_eq!(stored, [true, true, false]);
    }

    #[test]
    fn a_document_is_written_by_whoever_has_read_its_newest_revision() {
        let view = ViewId { tenant: String::new(), name: "balances".into(), version: 1 };
        let write = |key: &str, read_revision, document: Option<&str>| {
            let document = document.map(|body| body.as_bytes().to_vec());
            let index = IndexChange::default();
            let write = DocumentWrite { view: view.clone(), key: key.into(), read_revision, document, index };
            Append { documents: vec![write], ..Append::default() }
        };
        let known = [
            ("kept", DocumentState { revision: 7, removed: false }),
            ("gone", DocumentState { revision: 4, removed: true }),
        ];
        let documents = known.into_iter().map(|(key, state)| ((view.clone(), key.to_owned()), state)).collect();
        let batch = [
            write("kept", 6, Some("old")),
            write("kept", 7, Some("new")),
            write("kept", 8, None),
            write("gone", 4, Some("old")),
            write("gone", 0, Some("new")),
            write("fresh", 0, Some("new")),
        ];
        let plan = plan(&batch, Facts { documents, ..facts() });
        let stored: Vec<bool> = plan.answers.iter().map(Result::is_ok).collect();
        assert_eq!(stored, [false, true, true, false, true, true]);
        let written: Vec<_> =
            plan.documents.iter().map(|(_, key, revision, body)| (*key, *revision, body.is_some())).collect();
        assert_eq!(written, [("kept", 8, true), ("kept", 9, false), ("gone", 5, true), ("fresh", 1, true)]);
    }

    #[test]
    fn an_append_without_events_is_checked_and_answered_with_the_head() {
        let checked = |expected| Append { expected: vec![(stream("a"), expected)], ..Append::default() };
        let batch = [checked(Expected::Version(version(2))), checked(Expected::NoStream)];
        let plan = plan(&batch, facts());
        assert_eq!(plan.answers[0].as_ref().unwrap().position, Position::new(3));
        assert!(plan.answers[1].is_err());
        assert!(plan.is_empty());
    }

    fn known(status: StreamStatus) -> Facts {
        let state = StreamState { newest: version(2), status };
        Facts { streams: [((String::new(), stream("a")), state)].into_iter().collect(), ..facts() }
    }

    #[test]
    fn a_stream_that_is_closed_takes_no_append() {
        for status in [StreamStatus::Archived, StreamStatus::Tombstoned] {
            let batch = [append("a", Expected::Any)];
            let plan = plan(&batch, known(status));
            let answer = &plan.answers[0];
            assert!(
                matches!(answer, Err(AppendError::StreamClosed { status: found, .. }) if *found == status),
                "{answer:?}"
            );
            assert!(plan.is_empty());
        }
    }

    #[test]
    fn a_deleted_stream_has_no_events_and_goes_on_behind_its_last_version() {
        let batch = [
            append("a", Expected::Version(version(2))),
            append("a", Expected::NoStream),
            append("a", Expected::Exists),
        ];
        let plan = plan(&batch, known(StreamStatus::Deleted));
        assert!(matches!(&plan.answers[0], Err(AppendError::Conflict(Conflict::Stream { actual: None, .. }))));
        assert_eq!(plan.answers[1].as_ref().unwrap().version_of(&stream("a")), Some(version(3)));
        assert!(plan.answers[2].is_ok(), "with the append before it the stream exists again");
    }

    #[test]
    fn a_snapshot_is_kept_at_the_version_that_its_append_reaches() {
        let snapshot = |number| SnapshotWrite {
            stream: stream("a"),
            version: version(number),
            schema: "1".to_owned(),
            state: Vec::new(),
        };
        let with = |number| Append { snapshots: vec![snapshot(number)], ..append("a", Expected::Any) };
        let batch = [with(3), with(3), with(5)];
        let plan = plan(&batch, facts());
        let kept: Vec<_> = plan.snapshots.iter().map(|(_, write, at)| (write.version.get(), at.get())).collect();
        assert_eq!(kept, [(3, 4), (5, 6)], "the second one is behind its own event");
    }
}
