//! What this node knows about the store, so that most appends are planned without a question.
//!
//! It saves round trips and nothing else: whatever is assumed from here is verified when it is written.

use quick_cache::unsync::Cache;

use crate::message::{EventId, Position, StreamId, Version};
use crate::store::append::{Append, Appended};
use crate::store::error::AppendError;
use crate::store::plan::Plan;

use super::ring::Ring;

/// Streams whose newest version is remembered; about 10 MB.
const STREAMS: usize = 65_536;

/// What is known about one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It was at this version when the head was [`Memory::head`].
    AtHead(Version),
    /// It was at this version once; versions only grow.
    Once(Version),
    /// Nothing.
    Nothing,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    version: Version,
    age: u64,
    /// The event at `version`, if this node has written it.
    event: Option<EventId>,
}

/// The store as this node last saw it.
#[derive(Debug)]
pub(super) struct Memory {
    head: Option<Position>,
    /// Changes when others have appended: what was known about streams then holds no longer for sure.
    age: u64,
    streams: Cache<(String, StreamId), Entry>,
    /// Made when the first condition is met: who has none pays nothing.
    ring: Option<Ring>,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { head: None, age: 0, streams: Cache::new(STREAMS), ring: None }
    }

    /// Position of the newest event, as far as this node knows.
    pub(super) fn head(&self) -> Option<Position> {
        self.head
    }

    /// The newest events, in a ring that begins at the head if there is none yet.
    pub(super) fn ring(&mut self) -> Option<&Ring> {
        let head = self.head?;
        Some(self.ring.get_or_insert_with(|| Ring::behind(head)))
    }

    pub(super) fn stream(&self, key: &(String, StreamId)) -> Known {
        match self.streams.get(key) {
            Some(entry) if entry.age == self.age => Known::AtHead(entry.version),
            Some(entry) => Known::Once(entry.version),
            None => Known::Nothing,
        }
    }

    /// The version of `event`, if this node has written it as the newest one of a stream.
    pub(super) fn written(&self, key: &(String, StreamId), event: EventId) -> Option<Version> {
        let entry = self.streams.get(key)?;
        (entry.event == Some(event)).then_some(entry.version)
    }

    /// The head was found at `head`.
    pub(super) fn saw_head(&mut self, head: Position) {
        if self.head != Some(head) {
            self.head = Some(head);
            self.age += 1;
            if self.ring.is_some() {
                self.ring = Some(Ring::behind(head));
            }
        }
    }

    /// A stream was found at `version` when the head was at [`Memory::head`].
    pub(super) fn saw_stream(&mut self, key: (String, StreamId), version: Version) {
        self.streams.insert(key, Entry { version, age: self.age, event: None });
    }

    fn wrote_event(&mut self, tenant: &str, stream: &StreamId, version: Version, event: EventId) {
        let entry = Entry { version, age: self.age, event: Some(event) };
        self.streams.insert((tenant.to_owned(), stream.clone()), entry);
    }

    /// Nothing about these streams is to be assumed any more.
    pub(super) fn forget<'a>(&mut self, streams: impl Iterator<Item = (&'a str, &'a StreamId)>) {
        for (tenant, stream) in streams {
            self.streams.remove(&(tenant.to_owned(), stream.clone()));
        }
    }

    /// What `plan` says was written behind `before`.
    pub(super) fn wrote(&mut self, plan: &Plan<'_>, before: Position) {
        self.saw_head(before);
        for (tenant, event, version, _) in &plan.events {
            self.wrote_event(tenant, &event.stream, *version, event.id);
            if let Some(ring) = &mut self.ring {
                ring.push(tenant, event);
            }
        }
        self.head = Some(Position::new(before.get() + plan.events.len() as u64));
    }

    /// What the answers to `batch` tell that were found under the append lock.
    pub(super) fn learned(&mut self, batch: &[Append], answers: &[Result<Appended, AppendError>]) {
        for (append, answer) in batch.iter().zip(answers) {
            let Ok(appended) = answer else { continue };
            if appended.repeated || append.events.is_empty() {
                continue;
            }
            let events = append.events.len() as u64;
            self.saw_head(Position::new(appended.position.get().saturating_sub(events)));
            if let Some(ring) = &mut self.ring {
                append.events.iter().for_each(|event| ring.push(&append.tenant, event));
            }
            self.head = Some(appended.position);
            for event in &append.events {
                if let Some(version) = appended.version_of(&event.stream) {
                    self.wrote_event(&append.tenant, &event.stream, version, event.id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, Memory};
    use crate::message::{Position, StreamId, Version};

    fn key(id: &str) -> (String, StreamId) {
        (String::new(), StreamId::new("wallet", id))
    }

    #[test]
    fn what_was_known_is_a_hint_once_others_have_appended() {
        let mut memory = Memory::new();
        memory.saw_head(Position::new(5));
        memory.saw_stream(key("a"), Version::FIRST);
        assert_eq!(memory.stream(&key("a")), Known::AtHead(Version::FIRST));
        memory.saw_head(Position::new(5));
        assert_eq!(memory.stream(&key("a")), Known::AtHead(Version::FIRST));
        memory.saw_head(Position::new(6));
        assert_eq!(memory.stream(&key("a")), Known::Once(Version::FIRST));
        assert_eq!(memory.stream(&key("b")), Known::Nothing);
        let stream = StreamId::new("wallet", "a");
        memory.forget([("", &stream)].into_iter());
        assert_eq!(memory.stream(&key("a")), Known::Nothing);
    }
}
