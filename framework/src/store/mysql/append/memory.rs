//! What the writer remembers of what it has written.
//!
//! It holds as long as nobody else has written: neither events, which shows in the head, nor anything else that appends
//! depend on, which shows in the number of changes. Both are checked under the append lock by every statement that
//! rests on it.

use quick_cache::unsync::Cache;

use crate::message::{Position, StreamId, Version};
use crate::store::plan::{Facts, Plan, StreamState};
use crate::store::stream::StreamStatus;

/// Streams that are remembered at most: some 20 MB.
const STREAMS: usize = 100_000;

type Key = (String, StreamId);

/// Heads of streams as of one head of the store.
#[derive(Debug)]
pub(super) struct Memory {
    as_of: Option<AsOf>,
    streams: Cache<Key, Version>,
}

/// A state of the store, as far as appends depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AsOf {
    pub(super) head: Position,
    pub(super) changes: u64,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { as_of: None, streams: Cache::new(STREAMS) }
    }

    /// The state that everything remembered belongs to; `None` where nothing is remembered.
    pub(super) fn as_of(&self) -> Option<AsOf> {
        self.as_of
    }

    /// The newest version of an open stream.
    pub(super) fn newest(&self, tenant: &str, stream: &StreamId) -> Option<Version> {
        self.streams.get(&(tenant.to_owned(), stream.clone())).copied()
    }

    /// Notes what was looked up, `now`. What was remembered as of another state is forgotten.
    pub(super) fn learn(&mut self, now: AsOf, facts: &Facts) {
        if self.as_of.replace(now) != Some(now) {
            self.streams.clear();
        }
        for (key, state) in &facts.streams {
            if let StreamState { newest, status: StreamStatus::Open } = *state {
                self.streams.insert(key.clone(), newest);
            }
        }
    }

    /// Notes what was committed.
    pub(super) fn written(&mut self, plan: &Plan<'_>) {
        for (tenant, event, version, head) in &plan.events {
            self.streams.insert(((*tenant).to_owned(), event.stream.clone()), *version);
            if let Some(as_of) = &mut self.as_of {
                as_of.head = *head;
            }
        }
    }
}
