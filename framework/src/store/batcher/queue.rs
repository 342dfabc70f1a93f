//! What waits for the next commit, by tenant.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::store::append::Append;
use crate::store::plan::Map;

use super::{Answer, BatchLimits};

/// An append with the one who waits for it.
pub(super) struct Entry {
    pub(super) append: Append,
    pub(super) answer: oneshot::Sender<Answer>,
    number: u64,
    bytes: usize,
}

/// Appends that wait, in a line for each tenant.
pub(super) struct Queue {
    limits: BatchLimits,
    lines: Map<String, Line>,
    /// The tenants with a line, in the order in which they have their turns.
    turns: VecDeque<String>,
    /// The number of the next append.
    next: u64,
}

/// The appends of one tenant in the order in which they came. The first ones are in the queue, the others before its door.
#[derive(Default)]
struct Line {
    entries: VecDeque<Entry>,
    /// How many are in the queue, and their size.
    admitted: usize,
    bytes: usize,
}

impl Queue {
    pub(super) fn new(limits: BatchLimits) -> Self {
        Self { limits, lines: Map::default(), turns: VecDeque::new(), next: 0 }
    }

    /// Puts an append at the end of its tenant's line, and gives its number.
    pub(super) fn push(&mut self, append: Append, answer: oneshot::Sender<Answer>) -> u64 {
        let (number, bytes) = (self.next, size(&append));
        self.next += 1;
        if !self.lines.contains_key(&append.tenant) {
            self.lines.insert(append.tenant.clone(), Line::default());
            self.turns.push_back(append.tenant.clone());
        }
        if let Some(line) = self.lines.get_mut(&append.tenant) {
            line.entries.push_back(Entry { append, answer, number, bytes });
            line.admit(&self.limits);
        }
        number
    }

    /// The appends of the next batch: one of each tenant in turn, as many as fit.
    pub(super) fn take(&mut self) -> Vec<Entry> {
        let mut batch = Vec::new();
        let (mut events, mut bytes) = (0, 0);
        while let Some(tenant) = self.turns.pop_front() {
            let Some(line) = self.lines.get_mut(&tenant) else { continue };
            let Some(first) = line.entries.front() else { continue };
            let more = first.append.events.len().max(1);
            let full = events + more > self.limits.events || bytes + first.bytes > self.limits.bytes;
            if full && !batch.is_empty() {
                self.turns.push_front(tenant);
                break;
            }
            (events, bytes) = (events + more, bytes + first.bytes);
            batch.extend(line.pop(&self.limits));
            if line.entries.is_empty() {
                self.lines.remove(&tenant);
            } else {
                self.turns.push_back(tenant);
            }
        }
        batch
    }

    /// Takes everything that waits.
    pub(super) fn drain(&mut self) -> Vec<Entry> {
        self.turns.clear();
        self.lines.drain().flat_map(|(_, line)| line.entries).collect()
    }

    /// Removes the append with this number if it is still before the door.
    pub(super) fn leave(&mut self, tenant: &str, number: u64) {
        let Some(line) = self.lines.get_mut(tenant) else { return };
        // Numbers grow along the line.
        let place = line.entries.partition_point(|entry| entry.number < number);
        if place >= line.admitted && line.entries.get(place).is_some_and(|entry| entry.number == number) {
            line.entries.remove(place);
        }
    }
}

impl Line {
    /// Lets in who waits before the door, as far as there is room.
    fn admit(&mut self, limits: &BatchLimits) {
        while let Some(entry) = self.entries.get(self.admitted) {
            let full = self.admitted >= limits.queue || self.bytes + entry.bytes > limits.queue_bytes;
            if full && self.admitted > 0 {
                return;
            }
            (self.admitted, self.bytes) = (self.admitted + 1, self.bytes + entry.bytes);
        }
    }

    fn pop(&mut self, limits: &BatchLimits) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        (self.admitted, self.bytes) = (self.admitted - 1, self.bytes - entry.bytes);
        self.admit(limits);
        Some(entry)
    }
}

/// Bytes of everything in `append` that has a size of its own.
fn size(append: &Append) -> usize {
    let events: usize = append.events.iter().map(|event| event.payload.len()).sum();
    let documents: usize = append.documents.iter().filter_map(|write| write.document.as_ref()).map(Vec::len).sum();
    let snapshots: usize = append.snapshots.iter().map(|write| write.state.len()).sum();
    let effects: usize =
        append.effects.iter().filter_map(|write| write.effect.as_ref()).map(|effect| effect.payload.len()).sum();
    events + documents + snapshots + effects
}
