//! The newest events that this node knows of, so that most consistency conditions are decided without a query.

use std::collections::VecDeque;

use crate::message::{Name, Position, Tag};
use crate::store::append::NewEvent;
use crate::store::criteria::{Condition, Criterion};
use crate::store::plan::Map;

/// Events that are remembered. A decision that was taken on an older state is checked in the database. More of them take
/// more memory: about 200 bytes each.
const REMEMBERED: usize = 16_384;

/// Every event behind a position, without a gap.
#[derive(Debug)]
pub(super) struct Ring {
    /// The position behind which the ring begins.
    start: Position,
    events: VecDeque<Remembered>,
    /// Of each tenant's tags and names, the newest position of an event that has it.
    tags: Map<(String, Tag), Position>,
    names: Map<(String, Name), Position>,
}

#[derive(Debug)]
struct Remembered {
    tenant: String,
    name: Name,
    tags: Vec<Tag>,
}

impl Ring {
    /// An empty ring behind `head`.
    pub(super) fn behind(head: Position) -> Self {
        Self { start: head, events: VecDeque::new(), tags: Map::default(), names: Map::default() }
    }

    /// The newest position that it knows.
    fn head(&self) -> Position {
        Position::new(self.start.get() + self.events.len() as u64)
    }

    /// Adds the event behind the newest one.
    pub(super) fn push(&mut self, tenant: &str, event: &NewEvent) {
        let position = self.head().next();
        note(&mut self.names, (tenant.to_owned(), event.name.clone()), position);
        for tag in &event.tags {
            note(&mut self.tags, (tenant.to_owned(), tag.clone()), position);
        }
        let (name, tags) = (event.name.clone(), event.tags.clone());
        self.events.push_back(Remembered { tenant: tenant.to_owned(), name, tags });
        if self.events.len() > REMEMBERED {
            self.forget_oldest();
        }
    }

    /// Whether an event breaks `condition`; `None` where that is decided by events of before the ring.
    pub(super) fn breaks(&self, tenant: &str, condition: &Condition) -> Option<bool> {
        if condition.after < self.start {
            return None;
        }
        let criteria = condition.criteria.any_of();
        Some(criteria.iter().any(|criterion| self.has(tenant, criterion, condition.after)))
    }

    fn has(&self, tenant: &str, criterion: &Criterion, after: Position) -> bool {
        let newest_tag = |tag: &Tag| self.tags.get(&(tenant.to_owned(), tag.clone())).copied().unwrap_or_default();
        let newest_name =
            |name: &String| self.names.get(&(tenant.to_owned(), name.clone().into())).copied().unwrap_or_default();
        let (tags, names) = (criterion.all_of_tags(), criterion.any_of_names());
        if tags.iter().any(|tag| newest_tag(tag) <= after) {
            return false;
        }
        if !names.is_empty() && names.iter().all(|name| newest_name(name) <= after) {
            return false;
        }
        // What a single tag or any of the names asks for is there; more of them must meet in one event.
        match (tags.len(), names.is_empty()) {
            (1, true) | (0, false) => true,
            _ => {
                let passed = usize::try_from(after.get() - self.start.get()).unwrap_or(usize::MAX);
                let mut newer = self.events.iter().skip(passed);
                newer.any(|event| event.tenant == tenant && criterion.matches(&event.name, &event.tags))
            }
        }
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.events.pop_front() else { return };
        self.start = self.start.next();
        let Remembered { tenant, name, tags } = oldest;
        forget(&mut self.names, (tenant.clone(), name), self.start);
        for tag in tags {
            forget(&mut self.tags, (tenant.clone(), tag), self.start);
        }
    }
}

fn note<K: std::hash::Hash + Eq>(newest: &mut Map<K, Position>, key: K, position: Position) {
    newest.insert(key, position);
}

/// Forgets `key` if `position` was its newest.
fn forget<K: std::hash::Hash + Eq>(newest: &mut Map<K, Position>, key: K, position: Position) {
    if newest.get(&key) == Some(&position) {
        newest.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::{REMEMBERED, Ring};
    use crate::message::{EventId, Position, StreamId, Tag, Timestamp};
    use crate::store::append::NewEvent;
    use crate::store::criteria::{Condition, Criteria, Criterion};

    fn event(name: &'static str, tags: &[(&'static str, &str)]) -> NewEvent {
        NewEvent {
            stream: StreamId::new("course", "c"),
            id: EventId::new(),
            name: name.into(),
            revision: 1,
            payload: Vec::new(),
            metadata: std::sync::Arc::default(),
            tags: tags.iter().map(|(key, value)| Tag::new(*key, value)).collect(),
            recorded_at: Timestamp::EPOCH,
        }
    }

    fn breaks(ring: &Ring, tenant: &str, criteria: impl Into<Criteria>, after: u64) -> Option<bool> {
        ring.breaks(tenant, &Condition { criteria: criteria.into(), after: Position::new(after) })
    }

    /// Positions 11 to 13.
    fn ring() -> Ring {
        let mut ring = Ring::behind(Position::new(10));
        ring.push("", &event("opened", &[("course", "c")]));
        ring.push("", &event("enrolled", &[("course", "c"), ("student", "s")]));
        ring.push("t", &event("moved", &[("course", "d")]));
        ring
    }

    #[test]
    fn a_newer_match_breaks_a_condition() {
        let ring = ring();
        let course = || Criterion::tag(Tag::new("course", "c"));
        assert_eq!(breaks(&ring, "", course(), 10), Some(true));
        assert_eq!(breaks(&ring, "", course(), 12), Some(false));
        let both = || course().and_tag(Tag::new("student", "s"));
        assert_eq!(breaks(&ring, "", both(), 11), Some(true));
        assert_eq!(breaks(&ring, "", both().and_tag(Tag::new("student", "t")), 10), Some(false));
        assert_eq!(breaks(&ring, "", Criterion::names(["moved", "enrolled"]), 11), Some(true));
        assert_eq!(breaks(&ring, "", Criterion::names(["opened"]), 11), Some(false));
        let named = |name: &'static str| Criterion::names([name]).and_tag(Tag::new("student", "s"));
        assert_eq!(breaks(&ring, "", named("enrolled"), 10), Some(true));
        assert_eq!(breaks(&ring, "", named("opened"), 10), Some(false), "name and tag are of different events");
        assert_eq!(breaks(&ring, "", Criterion::default(), 11), Some(true), "everything matches");
        assert_eq!(breaks(&ring, "", Criterion::default(), 12), Some(false), "the newest is another tenant's");
        assert_eq!(breaks(&ring, "", Criteria::none(), 10), Some(false));
    }

    #[test]
    fn tenants_do_not_meet() {
        assert_eq!(breaks(&ring(), "t", Criterion::tag(Tag::new("course", "c")), 10), Some(false));
        assert_eq!(breaks(&ring(), "", Criterion::names(["moved"]), 10), Some(false));
    }

    #[test]
    fn what_is_before_the_ring_is_not_known() {
        assert_eq!(breaks(&ring(), "", Criterion::tag(Tag::new("course", "d")), 9), None);
        let mut ring = ring();
        for _ in 0..REMEMBERED {
            ring.push("", &event("later", &[]));
        }
        assert_eq!(breaks(&ring, "", Criterion::names(["later"]), 12), None);
        assert_eq!(breaks(&ring, "", Criterion::names(["later"]), 13), Some(true));
        assert!(ring.tags.is_empty() && ring.names.len() == 1, "what is forgotten takes no memory");
    }
}
