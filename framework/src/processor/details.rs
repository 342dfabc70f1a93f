//! What a processor keeps with each of its segments, beside the token.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::message::{Position, Timestamp};
use crate::store::{Segment, SegmentRow};

/// Kept in JSON with a segment's row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Details {
    /// Which events are old, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) past: Option<Past>,
    /// The processor of the older version of a view, beside which this one is built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) beside: Option<String>,
    /// Up to where the older version has come with each share: what concerns the outside it has done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) gate: Vec<Ahead>,
    /// Where the older version was stopped: as far as that a new one has to be before it is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ready_at: Option<u64>,
    /// A pause came while it was built.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unfinished: bool,
    /// Shares that have handled more than the segment says, since they were merged into it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) ahead: Vec<Ahead>,
    /// The node that somebody has moved it to: as long as that one lives, no other claims it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) moved_to: Option<String>,
    /// How often in a row an owner has ended without a word and without progress.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) unclean: u32,
    /// The event that is being handled, where owners have ended so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trying: Option<Trying>,
    /// Why it does not get on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Old events: those that were there when the processor first ran, or that it handles again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Past {
    /// The last of them.
    pub(crate) until: u64,
    /// Whether they were handled before.
    pub(crate) replay: bool,
    /// What was given with the reset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<Value>,
}

/// A share that has handled everything up to a position.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ahead {
    id: u32,
    mask: u32,
    position: u64,
}

impl Ahead {
    pub(crate) fn new(segment: Segment, position: Position) -> Self {
        Self { id: segment.id(), mask: segment.mask(), position: position.get() }
    }

    pub(crate) fn position(&self) -> Position {
        Position::new(self.position)
    }

    pub(crate) fn segment(&self) -> Segment {
        Segment::new(self.id, self.mask).unwrap_or(Segment::WHOLE)
    }
}

/// An event, and how many owners have begun to handle it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trying {
    pub(crate) position: u64,
    pub(crate) times: u32,
    /// How many owners had ended badly when the last of them began.
    #[serde(default)]
    pub(crate) unclean: u32,
}

impl Trying {
    /// The event at `position` is begun by an owner before whom so many have ended badly. An owner that begins it again,
    /// after it was interrupted, counts once.
    pub(crate) fn begin(before: Option<Self>, position: Position, unclean: u32) -> Self {
        let position = position.get();
        let times = match before.filter(|before| before.position == position) {
            None => 1,
            Some(before) if before.unclean == unclean => before.times,
            Some(before) => before.times + 1,
        };
        Self { position, times, unclean }
    }
}

/// Why a segment does not get on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) position: u64,
    pub(crate) event: String,
    pub(crate) error: String,
    pub(crate) at: Timestamp,
}

/// Whether a segment is not as far as it was before it was reset.
pub(crate) fn is_replaying(row: &SegmentRow) -> bool {
    let past = Details::read(&row.details).past;
    past.is_some_and(|past| past.replay && row.position.get() < past.until)
}

/// How far a segment has come with the sequence that has this hash.
pub(crate) fn reached(row: &SegmentRow, hash: u32) -> Position {
    let details = Details::read(&row.details);
    let ahead = details.ahead.iter().filter(|ahead| ahead.segment().has(hash)).map(Ahead::position);
    ahead.max().unwrap_or_default().max(row.position)
}

impl Details {
    /// What stands in a row. What cannot be read is none: it is lost with it that events are old.
    pub(crate) fn read(text: &str) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        serde_json::from_str(text).unwrap_or_else(|error| {
            tracing::warn!(text, %error, "what is kept with a segment cannot be read");
            Self::default()
        })
    }

    pub(crate) fn write(&self) -> String {
        if *self == Self::default() {
            return String::new();
        }
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether a sequence with this hash has handled the event at `position`, as part of a share that was ahead.
    pub(crate) fn is_ahead(&self, hash: u32, position: Position) -> bool {
        self.ahead.iter().any(|ahead| ahead.segment().has(hash) && position <= ahead.position())
    }

    /// Whether the older version has handled the event at `position` in the sequence with this hash.
    pub(crate) fn is_gated(&self, hash: u32, position: Position) -> bool {
        self.gate.iter().any(|gate| gate.segment().has(hash) && position <= gate.position())
    }

    /// Forgets what `position` has made void.
    pub(crate) fn pass(&mut self, position: Position) {
        self.gate.retain(|gate| gate.position() > position);
        self.ahead.retain(|ahead| ahead.position() > position);
        if self.past.as_ref().is_some_and(|past| past.until <= position.get()) {
            self.past = None;
        }
    }

    /// What concerns one half after a division.
    pub(crate) fn of_share(&self, share: Segment) -> Self {
        let ahead = self.ahead.iter().filter(|ahead| share.covers(ahead.segment()) || ahead.segment().covers(share));
        Self { ahead: ahead.copied().collect(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let details = Details {
            past: Some(Past { until: 7, replay: true, context: Some(Value::from("why")) }),
            ahead: vec![Ahead::new(Segment::new(1, 1).unwrap(), Position::new(3))],
            ..Details::default()
        };
        assert_eq!(Details::read(&details.write()), details);
        assert_eq!((Details::default().write().as_str(), Details::read("")), ("", Details::default()));
        assert_eq!(Details::read("no JSON"), Details::default());
    }

    #[test]
    fn what_was_passed_is_forgotten() {
        let half = Segment::new(1, 1).unwrap();
        let past = Some(Past { until: 7, replay: false, context: None });
        let mut details = Details { past, ahead: vec![Ahead::new(half, Position::new(3))], ..Details::default() };
        assert!(details.is_ahead(5, Position::new(3)) && !details.is_ahead(5, Position::new(4)));
        assert!(!details.is_ahead(4, Position::new(3)));
        details.pass(Position::new(3));
        assert!(details.ahead.is_empty() && details.past.is_some());
        details.pass(Position::new(7));
        assert_eq!(details, Details::default());
    }
}
