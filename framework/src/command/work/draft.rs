//! What a unit of work has decided so far, and what that rests on.

use std::any::Any;
use std::collections::{BTreeSet, HashMap};

use crate::aggregate::{Aggregate, KeyChange, Sourced, UniqueKey, changes, keys_of};
use crate::message::{Position, StreamId, Timestamp, Version};
use crate::store::{Append, Condition, Expected, NewEvent};

/// What a unit of work has decided so far.
pub(crate) struct Draft {
    /// The instant of every decision in it.
    pub(crate) now: Timestamp,
    aggregates: HashMap<StreamId, Part>,
    /// In the order in which they were decided.
    pub(crate) events: Vec<NewEvent>,
    condition: Option<Condition>,
    /// The newest position that was seen.
    position: Position,
}

/// An aggregate in a unit of work.
struct Part {
    /// The version that is stored.
    stored: Option<Version>,
    /// The unique keys that it has as stored, and now.
    keys_stored: BTreeSet<UniqueKey>,
    keys: BTreeSet<UniqueKey>,
    /// A `Option<Sourced<A>>`: the state with all that was decided.
    state: Box<dyn Any + Send>,
}

impl Draft {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { now, aggregates: HashMap::new(), events: Vec::new(), condition: None, position: Position::START }
    }

    /// The aggregate behind `stream` with all that was decided, if it was loaded before.
    pub(crate) fn state<A: Aggregate>(&self, stream: &StreamId) -> Option<&Option<Sourced<A>>> {
        self.aggregates.get(stream)?.state.downcast_ref()
    }

    /// Takes in an aggregate as it is stored. It has to be the same when the unit commits.
    pub(crate) fn loaded<A: Aggregate>(&mut self, stream: &StreamId, state: Option<Sourced<A>>) {
        let stored = state.as_ref().map(|sourced| sourced.version);
        self.saw(state.as_ref().map_or(Position::START, |sourced| sourced.position));
        let keys = keys_in(state.as_ref());
        let part = Part { stored, keys_stored: keys.clone(), keys, state: Box::new(state) };
        self.aggregates.insert(stream.clone(), part);
    }

    /// Takes in what was decided on an aggregate.
    pub(crate) fn decided<A: Aggregate>(
        &mut self,
        stream: &StreamId,
        after: Option<Sourced<A>>,
        events: Vec<NewEvent>,
    ) {
        if let Some(part) = self.aggregates.get_mut(stream) {
            part.keys = keys_in(after.as_ref());
            part.state = Box::new(after);
        }
        self.events.extend(events);
    }

    /// Adds what must not have happened when the unit commits.
    pub(crate) fn rests_on(&mut self, condition: Condition) {
        self.saw(condition.after);
        self.condition = Some(match self.condition.take() {
            None => condition,
            // What one of the two has seen already counts as a conflict: the unit then runs again.
            Some(before) => Condition {
                criteria: before.criteria.or_any(condition.criteria),
                after: before.after.min(condition.after),
            },
        });
    }

    fn saw(&mut self, position: Position) {
        self.position = self.position.max(position);
    }

    /// The newest position that was seen.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Whether there is nothing to store or to check.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.aggregates.is_empty() && self.condition.is_none()
    }

    /// All of it as one append.
    pub(crate) fn into_append(self) -> (Append, Vec<KeyChange>) {
        let keys = self.aggregates.iter().flat_map(|(stream, part)| changes(stream, &part.keys_stored, &part.keys));
        // What is given up comes before what is taken.
        let mut keys: Vec<_> = keys.collect();
        keys.sort_by_key(|change| change.wanted);
        let expected = self.aggregates.into_iter().map(|(stream, part)| (stream, Expected::exactly(part.stored)));
        let mut expected: Vec<_> = expected.collect();
        expected.sort_by(|(one, _), (other, _)| one.cmp(other));
        (Append { events: self.events, expected, condition: self.condition, ..Append::default() }, keys)
    }
}

fn keys_in<A: Aggregate>(state: Option<&Sourced<A>>) -> BTreeSet<UniqueKey> {
    keys_of(state.map(|sourced| (&sourced.state, sourced.lifecycle)))
}
