//! How much the states of one aggregate type take, and how often commands find theirs in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::command::CacheUse;

/// What the lanes of one aggregate type count together.
pub(crate) struct Usage {
    aggregate: &'static str,
    /// Bytes of all states at most.
    limit: usize,
    states: AtomicUsize,
    bytes: AtomicUsize,
    /// Counts states that were weighed: the time by which lanes are older or newer.
    moment: AtomicU64,
    misses: AtomicU64,
    hits: Alone,
}

/// A counter on a cache line of its own: every command adds to it, and what the others read must not move for it.
#[derive(Default)]
#[repr(align(128))]
struct Alone(AtomicU64);

impl Usage {
    pub(super) fn new(aggregate: &'static str, limit: usize) -> Self {
        let (states, bytes, moment, misses) = Default::default();
        Self { aggregate, limit, states, bytes, moment, misses, hits: Alone::default() }
    }

    /// A command found its state in memory.
    pub(super) fn hit(&self) {
        self.hits.0.fetch_add(1, Ordering::Relaxed);
    }

    /// A command had to load its state.
    pub(super) fn missed(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// The time of the cache.
    pub(super) fn moment(&self) -> u64 {
        self.moment.load(Ordering::Relaxed)
    }

    pub(super) fn is_too_large(&self, bytes: usize) -> bool {
        bytes > self.limit
    }

    pub(super) fn is_over(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.limit
    }

    /// Whether more room is to be made, once states are dropped: an eighth, so that not every state that is loaded has
    /// all lanes looked through.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.limit - self.limit / 8
    }

    /// What is counted now.
    pub(crate) fn now(&self) -> CacheUse {
        CacheUse {
            aggregate: self.aggregate,
            states: self.states.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            hits: self.hits.0.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
        }
    }
}

/// What the state of one lane takes of the whole; given back when it is dropped.
pub(super) struct Share {
    pub(super) usage: Arc<Usage>,
    /// 0 where there is no state.
    bytes: usize,
}

impl Share {
    pub(super) fn of(usage: Arc<Usage>) -> Self {
        Self { usage, bytes: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The state takes `bytes` now.
    pub(super) fn set(&mut self, bytes: usize) {
        self.clear();
        self.bytes = bytes.max(1);
        self.usage.states.fetch_add(1, Ordering::Relaxed);
        self.usage.bytes.fetch_add(self.bytes, Ordering::Relaxed);
        self.usage.moment.fetch_add(1, Ordering::Relaxed);
    }

    /// There is no state any more.
    pub(super) fn clear(&mut self) {
        if self.bytes > 0 {
            self.usage.states.fetch_sub(1, Ordering::Relaxed);
            self.usage.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
            self.bytes = 0;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.clear();
    }
}
