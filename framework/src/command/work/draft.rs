//! What a unit of work has decided so far, and what that rests on.

use std::collections::HashMap;

use crate::aggregate::{Aggregate, KeyChange, Sourced, StoredRow, StoredState};
use crate::message::{CodecError, Position, StreamId, Timestamp};
use crate::store::{Append, Condition, EffectWrite, Journal, NewEvent};

use super::part::Part;

/// What a unit of work has decided so far.
#[derive(Clone)]
pub(crate) struct Draft {
    /// The instant of every decision in it.
    pub(crate) now: Timestamp,
    parts: HashMap<StreamId, Part>,
    /// In the order in which they were decided.
    pub(crate) events: Vec<NewEvent>,
    /// What it has scheduled and taken back, in order.
    pub(crate) effects: Vec<EffectWrite>,
    condition: Option<Condition>,
    /// The newest position that was seen.
    position: Position,
}

impl Draft {
    pub(crate) fn new(now: Timestamp) -> Self {
        let (events, effects) = (Vec::new(), Vec::new());
        Self { now, parts: HashMap::new(), events, effects, condition: None, position: Position::START }
    }

    /// The aggregate behind `stream` with all that was decided, if it was loaded before.
    pub(crate) fn state<A: Aggregate>(&self, stream: &StreamId) -> Option<&Option<Sourced<A>>> {
        self.parts.get(stream)?.state()
    }

    /// Takes in an aggregate as it is stored. It has to be the same when the unit commits.
    pub(crate) fn loaded<A: Aggregate>(&mut self, stream: &StreamId, state: Option<Sourced<A>>) {
        self.saw(state.as_ref().map_or(Position::START, |sourced| sourced.position));
        self.parts.insert(stream.clone(), Part::of_stream(state));
    }

    /// Takes in an aggregate whose state is a row. The row has to be the same when the unit commits.
    pub(crate) fn loaded_row<A: Aggregate>(&mut self, stream: &StreamId, row: StoredRow<A>, rows: StoredState<A>) {
        self.parts.insert(stream.clone(), Part::of_row(row, rows));
    }

    /// Takes in what was decided on an aggregate.
    pub(crate) fn decided<A: Aggregate>(
        &mut self,
        stream: &StreamId,
        after: Option<Sourced<A>>,
        events: Vec<NewEvent>,
    ) {
        if let Some(part) = self.parts.get_mut(stream) {
            part.decided(after);
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

    /// The position up to which boundaries are read: all of them show one and the same past.
    pub(crate) fn read_up_to(&self) -> Option<Position> {
        self.condition.as_ref().map(|condition| condition.after)
    }

    fn saw(&mut self, position: Position) {
        self.position = self.position.max(position);
    }

    /// The newest position that was seen.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Forgets what was decided since the draft was `before`, and not what was read: that nothing came of it may rest on
    /// that.
    pub(crate) fn back_to(&mut self, before: Self) {
        for (stream, part) in &mut self.parts {
            match before.parts.get(stream) {
                Some(before) => *part = before.clone(),
                None => part.undo(),
            }
        }
        self.events = before.events;
        self.effects = before.effects;
    }

    /// Whether there is nothing to store or to check.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.parts.is_empty() && self.condition.is_none()
    }

    /// All of it as one append.
    ///
    /// # Errors
    /// When the state of an aggregate cannot be encoded.
    pub(crate) fn into_append(self, journal: &Journal) -> Result<(Append, Vec<KeyChange>), CodecError> {
        let mut append =
            Append { events: self.events, effects: self.effects, condition: self.condition, ..Append::default() };
        let mut keys = Vec::new();
        for (stream, part) in self.parts {
            keys.extend(part.key_changes(&stream));
            part.write(stream, journal, &mut append)?;
        }
        // What is given up comes before what is taken.
        keys.sort_by_key(|change| change.wanted);
        append.expected.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok((append, keys))
    }
}
