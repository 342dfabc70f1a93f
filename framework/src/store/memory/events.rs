//! Events and recorded commands in memory.

use std::collections::HashMap;

use crate::message::{
    CommandId, EventId, Position, Recorded, RecordedEvent, StoredMetadata, StreamId, Tag, Timestamp, Version,
};
use crate::store::append::{Append, CommandRecord};
use crate::store::plan::{Facts, Place, Plan, Questions};
use crate::store::read::{Direction, Page, Read, Scope};

/// A stored event; its position is its place in the list, counted from 1.
#[derive(Debug)]
struct Stored {
    tenant: String,
    tags: Vec<Tag>,
    event: RecordedEvent,
}

/// Everything that appends write, but for documents.
#[derive(Debug, Default)]
pub(super) struct Events {
    list: Vec<Stored>,
    /// Indexes into `list` of the events of each stream, in version order.
    streams: HashMap<(String, StreamId), Vec<usize>>,
    ids: HashMap<EventId, usize>,
    commands: HashMap<(String, CommandId), CommandRecord>,
}

impl super::State {
    /// What a batch needs to know.
    pub(super) fn facts(&self, batch: &[Append]) -> Facts {
        let questions = Questions::of(batch);
        let events = &self.events;
        Facts {
            head: events.head(),
            streams: questions
                .streams
                .iter()
                .filter_map(|(tenant, stream)| {
                    let version = events.stream_head(tenant, stream)?;
                    Some((((*tenant).to_owned(), (*stream).clone()), version))
                })
                .collect(),
            events: questions.events.iter().filter_map(|id| Some((*id, events.place(*id)?))).collect(),
            commands: questions
                .commands
                .iter()
                .filter_map(|(tenant, id)| Some((((*tenant).to_owned(), *id), events.command(tenant, *id)?.clone())))
                .collect(),
            documents: questions
                .documents
                .iter()
                .filter_map(|(view, key)| {
                    Some((((*view).clone(), (*key).to_owned()), self.records.document_state(view, key)?))
                })
                .collect(),
            broken_conditions: batch
                .iter()
                .enumerate()
                .filter(|(_, append)| events.breaks_condition_of(append))
                .map(|(index, _)| index)
                .collect(),
        }
    }
}

impl Events {
    pub(super) fn head(&self) -> Position {
        Position::new(self.list.len() as u64)
    }

    pub(super) fn stream_head(&self, tenant: &str, stream: &StreamId) -> Option<Version> {
        let newest = *self.streams.get(&(tenant.to_owned(), stream.clone()))?.last()?;
        Some(self.list[newest].event.recorded.version)
    }

    pub(super) fn command(&self, tenant: &str, command: CommandId) -> Option<&CommandRecord> {
        self.commands.get(&(tenant.to_owned(), command))
    }

    /// Forgets old commands, but those for which `kept` speaks.
    pub(super) fn forget_commands(&mut self, before: Timestamp, kept: impl Fn(CommandId) -> bool) -> u64 {
        let known = self.commands.len();
        self.commands.retain(|_, record| record.recorded_at >= before || kept(record.id));
        (known - self.commands.len()) as u64
    }

    fn place(&self, id: EventId) -> Option<Place> {
        let stored = &self.list[*self.ids.get(&id)?];
        let recorded = &stored.event.recorded;
        Some(Place {
            tenant: stored.tenant.clone(),
            stream: recorded.stream.clone(),
            version: recorded.version,
            position: recorded.position,
        })
    }

    fn breaks_condition_of(&self, append: &Append) -> bool {
        append.condition.as_ref().is_some_and(|condition| {
            self.list[self.index_after(condition.after)..].iter().any(|stored| {
                stored.tenant == append.tenant && condition.criteria.matches(&stored.event.recorded.name, &stored.tags)
            })
        })
    }

    /// Index of the first event after `position`.
    fn index_after(&self, position: Position) -> usize {
        usize::try_from(position.get()).unwrap_or(usize::MAX).min(self.list.len())
    }

    /// Stores the events and commands of `plan`.
    pub(super) fn store(&mut self, plan: &Plan<'_>) {
        for (tenant, event, version, position) in &plan.events {
            let index = self.list.len();
            self.ids.insert(event.id, index);
            self.streams.entry(((*tenant).to_owned(), event.stream.clone())).or_default().push(index);
            self.list.push(Stored {
                tenant: (*tenant).to_owned(),
                tags: event.tags.clone(),
                event: RecordedEvent {
                    recorded: Recorded {
                        position: *position,
                        stream: event.stream.clone(),
                        version: *version,
                        id: event.id,
                        name: event.name.clone(),
                        revision: event.revision,
                        recorded_at: event.recorded_at,
                        metadata: StoredMetadata::from(event.metadata.as_ref().clone()),
                    },
                    payload: event.payload.clone(),
                },
            });
        }
        for (tenant, record) in &plan.commands {
            self.commands.insert(((*tenant).to_owned(), record.id), record.clone());
        }
    }

    pub(super) fn read(&self, read: &Read) -> Page {
        let events = match &read.scope {
            Scope::All { after, until } => self.take(read, self.since(*after, *until)),
            Scope::Matching { criteria, after, until } => {
                let matching = self
                    .since(*after, *until)
                    .filter(|stored| criteria.matches(&stored.event.recorded.name, &stored.tags));
                self.take(read, matching)
            }
            Scope::Stream { stream, after, until } => {
                let key = (read.tenant.clone(), stream.clone());
                let of_stream = self.streams.get(&key).map(Vec::as_slice).unwrap_or_default();
                let skipped = after.map_or(0, |after| usize::try_from(after.get()).unwrap_or(usize::MAX));
                let wanted = of_stream.get(skipped..).unwrap_or_default().iter().map(|index| &self.list[*index]);
                self.take(read, wanted.filter(|stored| recorded_by(stored, *until)))
            }
        };
        Page::answer(read, events, self.head())
    }

    fn since(&self, after: Position, until: Option<Timestamp>) -> impl DoubleEndedIterator<Item = &Stored> {
        self.list[self.index_after(after)..].iter().filter(move |stored| recorded_by(stored, until))
    }

    fn take<'a>(&self, read: &Read, wanted: impl DoubleEndedIterator<Item = &'a Stored>) -> Vec<RecordedEvent> {
        let of_tenant = wanted.filter(|stored| stored.tenant == read.tenant).map(|stored| &stored.event);
        match read.direction {
            Direction::Forward => of_tenant.take(read.limit).cloned().collect(),
            Direction::Backward => of_tenant.rev().take(read.limit).cloned().collect(),
        }
    }
}

fn recorded_by(stored: &Stored, until: Option<Timestamp>) -> bool {
    until.is_none_or(|until| stored.event.recorded.recorded_at <= until)
}
