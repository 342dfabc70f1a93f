//! Events, streams and recorded commands in memory.

use std::sync::Arc;

use crate::message::{
    CommandId, EventId, Position, Recorded, RecordedEvent, StoredMetadata, StreamId, Tag, Timestamp, Version,
};
use crate::store::append::{Append, CommandRecord, NewEvent};
use crate::store::exchange::StoredEvent;
use crate::store::maintain::StreamStep;
use crate::store::plan::{DocumentState, Facts, Known, Map, Place, Plan, Questions, StreamState};
use crate::store::read::{Content, Direction, Page, Read, Scope};
use crate::store::records::ViewId;
use crate::store::stream::{Retention, Scavenged, StreamInfo, StreamStatus, Visibility};

/// A stored event.
#[derive(Debug)]
struct Stored {
    tenant: String,
    tags: Vec<Tag>,
    visibility: Visibility,
    event: RecordedEvent,
}

/// A stream: where its events are, and what became of it.
#[derive(Debug)]
struct Stream {
    /// Positions of the events that are kept, in version order.
    positions: Vec<Position>,
    newest: Version,
    status: StreamStatus,
    truncated_before: Option<Version>,
    retention: Retention,
}

impl Stream {
    fn starting_with(version: Version) -> Self {
        Self {
            positions: Vec::new(),
            newest: version,
            status: StreamStatus::Open,
            truncated_before: None,
            retention: Retention::default(),
        }
    }
}

/// Everything that appends write, but for documents and snapshots.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// In the order of their positions.
    list: Vec<Stored>,
    streams: Map<(String, StreamId), Stream>,
    ids: Map<EventId, Position>,
    commands: Map<(String, CommandId), CommandRecord>,
}

impl Known for &super::State {
    fn head(&self) -> Position {
        self.events.head()
    }

    fn stream(&self, tenant: &str, stream: &StreamId) -> Option<StreamState> {
        self.events.stream(tenant, stream)
    }

    fn event(&self, id: EventId) -> Option<Place> {
        self.events.place(id)
    }

    fn command(&self, tenant: &str, id: CommandId) -> Option<CommandRecord> {
        self.events.command(tenant, id).cloned()
    }

    fn document(&self, view: &ViewId, key: &str) -> Option<DocumentState> {
        self.records.document_state(view, key)
    }

    fn breaks_condition(&self, _: usize, append: &Append) -> bool {
        self.events.breaks_condition_of(append)
    }
}

impl Events {
    /// What is known about streams, events and commands.
    pub(super) fn facts(&self, questions: &Questions<'_>) -> Facts {
        let streams = questions.streams.iter().filter_map(|(tenant, stream)| {
            let state = self.stream(tenant, stream)?;
            Some((((*tenant).to_owned(), (*stream).clone()), state))
        });
        let commands = questions
            .commands
            .iter()
            .filter_map(|(tenant, id)| Some((((*tenant).to_owned(), *id), self.command(tenant, *id)?.clone())));
        Facts {
            head: self.head(),
            streams: streams.collect(),
            events: questions.events.iter().filter_map(|id| Some((*id, self.place(*id)?))).collect(),
            commands: commands.collect(),
            ..Facts::default()
        }
    }

    pub(super) fn head(&self) -> Position {
        self.list.last().map(|stored| stored.event.recorded.position).unwrap_or_default()
    }

    pub(super) fn stream_head(&self, tenant: &str, stream: &StreamId) -> Option<Version> {
        self.stream(tenant, stream).and_then(StreamState::seen)
    }

    fn stream(&self, tenant: &str, stream: &StreamId) -> Option<StreamState> {
        let Stream { newest, status, .. } = *self.streams.get(&(tenant.to_owned(), stream.clone()))?;
        Some(StreamState { newest, status })
    }

    pub(super) fn command(&self, tenant: &str, command: CommandId) -> Option<&CommandRecord> {
        self.commands.get(&(tenant.to_owned(), command))
    }

    /// Forgets old commands, but those for which `kept` speaks.
    pub(super) fn forget_commands(&mut self, before: Timestamp, kept: impl Fn(&str, CommandId) -> bool) -> u64 {
        let known = self.commands.len();
        self.commands.retain(|(tenant, _), record| record.recorded_at >= before || kept(tenant, record.id));
        (known - self.commands.len()) as u64
    }

    fn place(&self, id: EventId) -> Option<Place> {
        let stored = self.at(*self.ids.get(&id)?)?;
        let recorded = &stored.event.recorded;
        Some(Place {
            tenant: stored.tenant.clone(),
            stream: recorded.stream.clone(),
            version: recorded.version,
            position: recorded.position,
        })
    }

    fn at(&self, position: Position) -> Option<&Stored> {
        let index = self.index_after(position).checked_sub(1)?;
        self.list.get(index).filter(|stored| stored.event.recorded.position == position)
    }

    /// The tags of the event of `tenant` at `position`.
    pub(super) fn tags_at(&self, tenant: &str, position: Position) -> Option<Vec<Tag>> {
        self.at(position).filter(|stored| stored.tenant == tenant).map(|stored| stored.tags.clone())
    }

    /// Whether a snapshot of `stream` at `version` still tells what its events tell.
    pub(super) fn is_told(&self, tenant: &str, stream: &StreamId, version: Version) -> bool {
        self.streams.get(&(tenant.to_owned(), stream.clone())).is_none_or(|found| {
            let ended = matches!(found.status, StreamStatus::Deleted | StreamStatus::Tombstoned);
            !ended && found.truncated_before.is_none_or(|before| version >= before)
        })
    }

    fn breaks_condition_of(&self, append: &Append) -> bool {
        append.condition.as_ref().is_some_and(|condition| {
            self.list[self.index_after(condition.after)..].iter().any(|stored| {
                stored.tenant == append.tenant && condition.criteria.matches(&stored.event.recorded.name, &stored.tags)
            })
        })
    }

    /// Index of the first event after `position`. Where nothing was removed it is the position itself.
    fn index_after(&self, position: Position) -> usize {
        let guess = usize::try_from(position.get()).unwrap_or(usize::MAX).min(self.list.len());
        let fits = |index: usize| index.checked_sub(1).is_none_or(|before| self.position(before) <= position);
        if fits(guess) && (guess == self.list.len() || self.position(guess) > position) {
            return guess;
        }
        self.list.partition_point(|stored| stored.event.recorded.position <= position)
    }

    fn position(&self, index: usize) -> Position {
        self.list[index].event.recorded.position
    }

    /// Stores events at their places.
    pub(super) fn store(&mut self, tenant: &str, events: Vec<NewEvent>, places: Vec<(Version, Position)>) {
        for (event, (version, position)) in events.into_iter().zip(places) {
            let NewEvent { stream, id, name, revision, payload, metadata, tags, recorded_at } = event;
            let metadata = StoredMetadata::from(Arc::unwrap_or_clone(metadata));
            let recorded = Recorded { position, stream, version, id, name, revision, recorded_at, metadata };
            self.push(tenant.to_owned(), tags, Visibility::Visible, RecordedEvent { recorded, payload });
        }
    }

    /// Stores the commands of `plan`.
    pub(super) fn store_commands(&mut self, plan: &mut Plan<'_>) {
        for (tenant, record) in plan.commands.drain(..) {
            self.commands.insert((tenant.to_owned(), record.id), record);
        }
    }

    /// Stores an event that was exported elsewhere.
    pub(super) fn import(&mut self, event: StoredEvent) {
        let recorded = Recorded {
            position: event.position,
            stream: event.stream,
            version: event.version,
            id: event.id,
            name: event.name,
            revision: event.revision,
            recorded_at: event.recorded_at,
            metadata: StoredMetadata::from(event.metadata),
        };
        let visibility = event.visibility;
        self.push(event.tenant, event.tags, visibility, RecordedEvent { recorded, payload: event.payload });
    }

    fn push(&mut self, tenant: String, tags: Vec<Tag>, visibility: Visibility, event: RecordedEvent) {
        let Recorded { position, version, id, .. } = event.recorded;
        self.ids.insert(id, position);
        let key = (tenant.clone(), event.recorded.stream.clone());
        let stream = self.streams.entry(key).or_insert_with(|| Stream::starting_with(version));
        if stream.status == StreamStatus::Deleted {
            stream.truncated_before = Some(stream.newest.next());
        }
        stream.positions.push(position);
        (stream.newest, stream.status) = (version, StreamStatus::Open);
        self.list.push(Stored { tenant, tags, visibility, event });
    }

    pub(super) fn read(&self, read: &Read) -> Page {
        let wanted = |limit| {
            let mut events = Vec::new();
            self.each(read, |stored| {
                events.push(given(stored, read.content));
                events.len() < limit
            });
            events
        };
        Page::answer(read, if read.limit == 0 { Vec::new() } else { wanted(read.limit) }, self.head())
    }

    pub(super) fn count(&self, read: &Read) -> u64 {
        let mut count = 0;
        self.each(read, |_| {
            count += 1;
            true
        });
        count
    }

    /// Shows each event that is asked for until `take` has enough.
    fn each<'a>(&'a self, read: &Read, mut take: impl FnMut(&'a Stored) -> bool) {
        let show = |mut events: &mut dyn Iterator<Item = &'a Stored>| {
            let _ = Iterator::by_ref(&mut events).filter(|stored| is_wanted(stored, read)).all(&mut take);
        };
        match &read.scope {
            Scope::All { after, up_to } | Scope::Category { after, up_to, .. } => {
                let first = self.index_after(*after);
                let end = up_to.map_or(self.list.len(), |up_to| self.index_after(up_to)).max(first);
                directed(self.list[first..end].iter(), read.direction, show);
            }
            Scope::Stream { stream, after, up_to } => {
                let Some(stream) = self.streams.get(&(read.tenant.clone(), stream.clone())) else { return };
                let own = stream.positions.iter().filter_map(|position| self.at(*position)).filter(|stored| {
                    let version = stored.event.recorded.version;
                    after.is_none_or(|after| version > after) && up_to.is_none_or(|up_to| version <= up_to)
                });
                directed(own, read.direction, show);
            }
        }
    }

    pub(super) fn stream_info(&self, tenant: &str, stream: &StreamId) -> Option<StreamInfo> {
        let found = self.streams.get(&(tenant.to_owned(), stream.clone()))?;
        let shown = found.positions.iter().filter_map(|position| self.at(*position));
        let first = shown.filter(|stored| stored.visibility < Visibility::Hidden).map(|at| at.event.recorded.version);
        Some(StreamInfo {
            tenant: tenant.to_owned(),
            stream: stream.clone(),
            status: found.status,
            newest: Some(found.newest),
            first: first.min(),
            retention: found.retention,
        })
    }

    pub(super) fn change_stream(&mut self, tenant: &str, stream: &StreamId, step: StreamStep) {
        let Some(found) = self.streams.get_mut(&(tenant.to_owned(), stream.clone())) else { return };
        found.status = step.status;
        found.truncated_before = step.truncate_before.max(found.truncated_before);
        found.retention = step.retention.unwrap_or(found.retention);
        let (status, kept_from) = (found.status, found.truncated_before.unwrap_or(Version::FIRST));
        for position in found.positions.clone() {
            let index = self.index_after(position) - 1;
            let stored = &mut self.list[index];
            stored.visibility = match status {
                _ if stored.event.recorded.version < kept_from => Visibility::Hidden,
                StreamStatus::Deleted | StreamStatus::Tombstoned => Visibility::Hidden,
                StreamStatus::Archived => Visibility::Archived,
                StreamStatus::Open => Visibility::Visible,
            };
        }
    }

    /// Takes over the status of a stream that was exported elsewhere.
    pub(super) fn import_stream(&mut self, info: StreamInfo) {
        let Some(newest) = info.newest else { return };
        let key = (info.tenant, info.stream);
        let stream = self.streams.entry(key).or_insert_with(|| Stream::starting_with(newest));
        stream.newest = stream.newest.max(newest);
        (stream.status, stream.retention) = (info.status, info.retention);
    }

    /// The streams with a status or a retention of their own, in order.
    pub(super) fn special_streams(&self) -> Vec<StreamInfo> {
        let special = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.status != StreamStatus::Open || stream.retention != Retention::default());
        let mut infos: Vec<_> = special.filter_map(|((tenant, stream), _)| self.stream_info(tenant, stream)).collect();
        infos.sort_by(|one, other| (&one.tenant, &one.stream).cmp(&(&other.tenant, &other.stream)));
        infos
    }

    pub(super) fn export(&self, after: Position, limit: usize) -> Vec<StoredEvent> {
        let shown = self.list[self.index_after(after)..].iter();
        shown.filter(|stored| stored.visibility < Visibility::Hidden).take(limit).map(exported).collect()
    }

    /// Removes what is hidden or expired.
    pub(super) fn scavenge(&mut self, now: Timestamp) -> Scavenged {
        let mut report = Scavenged::default();
        let newest = self.head();
        let expired = self.expired(now);
        let mut streams = std::collections::HashSet::new();
        let (ids, of_streams) = (&mut self.ids, &mut self.streams);
        self.list.retain(|stored| {
            let recorded = &stored.event.recorded;
            let hidden = stored.visibility == Visibility::Hidden;
            if recorded.position == newest || !(hidden || expired.contains(&recorded.position)) {
                return true;
            }
            report.events += 1;
            report.expired += u64::from(!hidden);
            report.bytes += (stored.event.payload.len() + recorded.metadata.as_json().len()) as u64;
            ids.remove(&recorded.id);
            let key = (stored.tenant.clone(), recorded.stream.clone());
            if let Some(stream) = of_streams.get_mut(&key) {
                stream.positions.retain(|position| *position != recorded.position);
            }
            streams.insert(key);
            false
        });
        report.streams = streams.len() as u64;
        report
    }

    /// Positions of the events that their streams' retention no longer keeps.
    fn expired(&self, now: Timestamp) -> std::collections::HashSet<Position> {
        let mut expired = std::collections::HashSet::new();
        for stream in self.streams.values().filter(|stream| stream.retention != Retention::default()) {
            let Retention { max_age, max_count } = stream.retention;
            let Some((_, older)) = stream.positions.split_last() else { continue };
            let surplus = max_count
                .map_or(0, |kept| stream.positions.len().saturating_sub(usize::try_from(kept).unwrap_or(usize::MAX)));
            expired.extend(older.iter().take(surplus));
            let oldest = max_age.map(|age| now.minus(age));
            let aged = older.iter().filter(|position| {
                let recorded_at = self.at(**position).map(|stored| stored.event.recorded.recorded_at);
                oldest.is_some_and(|oldest| recorded_at.is_some_and(|at| at < oldest))
            });
            expired.extend(aged);
        }
        expired
    }
}

fn directed<'a, I: DoubleEndedIterator<Item = &'a Stored>>(
    mut events: I,
    direction: Direction,
    mut show: impl FnMut(&mut dyn Iterator<Item = &'a Stored>),
) {
    match direction {
        Direction::Forward => show(&mut events),
        Direction::Backward => show(&mut events.rev()),
    }
}

fn is_wanted(stored: &Stored, read: &Read) -> bool {
    let recorded = &stored.event.recorded;
    let visible = match &read.scope {
        Scope::All { .. } => stored.visibility == Visibility::Visible,
        Scope::Category { category, .. } => {
            stored.visibility == Visibility::Visible && recorded.stream.category() == category
        }
        Scope::Stream { .. } => stored.visibility < Visibility::Hidden,
    };
    visible
        && stored.tenant == read.tenant
        && read.since.is_none_or(|since| recorded.recorded_at >= since)
        && read.until.is_none_or(|until| recorded.recorded_at <= until)
        && read.criteria.as_ref().is_none_or(|criteria| criteria.matches(&recorded.name, &stored.tags))
}

fn given(stored: &Stored, content: Content) -> RecordedEvent {
    match content {
        Content::Full => stored.event.clone(),
        Content::WithoutPayload => RecordedEvent { recorded: stored.event.recorded.clone(), payload: Vec::new() },
    }
}

fn exported(stored: &Stored) -> StoredEvent {
    let RecordedEvent { recorded, payload } = stored.event.clone();
    StoredEvent {
        tenant: stored.tenant.clone(),
        position: recorded.position,
        metadata: recorded.metadata().clone(),
        stream: recorded.stream,
        version: recorded.version,
        id: recorded.id,
        name: recorded.name,
        revision: recorded.revision,
        payload,
        tags: stored.tags.clone(),
        recorded_at: recorded.recorded_at,
        visibility: stored.visibility,
    }
}
