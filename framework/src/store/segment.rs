//! Shares of a processor, and the nodes that work on them.
//!
//! A processor is divided into segments. Each has a row of its own with how far it has got, who works on it, and a fencing
//! number that grows whenever that changes: a transaction under an older number is refused. Whether an owner is alive is
//! told by its node's row, which the node renews by the database's clock.

use std::fmt;

use crate::message::Position;

/// A share of the sequences of a processor: those whose hash has the bits of the id at the bits of the mask.
///
/// ```
/// use annals::store::Segment;
///
/// let whole = Segment::WHOLE;
/// let (low, high) = whole.split().unwrap();
/// assert_eq!((low.to_string(), high.to_string()), ("0/1".to_owned(), "1/1".to_owned()));
/// assert!(low.has(6) && high.has(7) && !low.has(7));
/// assert_eq!(low.sibling(), Some(high));
/// assert_eq!(low.parent(), Some(whole));
/// ```
///
/// Source of the scheme: the segments of Axon Framework.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    id: u32,
    mask: u32,
}

impl Segment {
    /// All sequences.
    pub const WHOLE: Self = Self { id: 0, mask: 0 };
    /// Most segments that a processor can have.
    pub const MOST: u32 = 1024;

    /// The segment `id` of those with this mask, which is a power of two less one; `None` for other numbers.
    #[must_use]
    pub const fn new(id: u32, mask: u32) -> Option<Self> {
        let fits = mask < Self::MOST && (mask + 1).is_power_of_two() && id <= mask;
        if fits { Some(Self { id, mask }) } else { None }
    }

    /// `count` segments that share all sequences: where it is no power of two, some are twice as large as others. At least
    /// one, at most [`Segment::MOST`].
    #[must_use]
    pub fn shares(count: u32) -> Vec<Self> {
        let mut all = std::collections::VecDeque::from([Self::WHOLE]);
        while all.len() < count.min(Self::MOST) as usize {
            // The largest, which was divided longest ago.
            let Some((low, high)) = all.pop_front().and_then(Self::split) else { break };
            all.extend([low, high]);
        }
        let mut all = Vec::from(all);
        all.sort_unstable();
        all
    }

    /// Its number, which no other segment of the processor has.
    #[must_use]
    pub const fn id(self) -> u32 {
        self.id
    }

    /// Which bits of a hash are compared.
    #[must_use]
    pub const fn mask(self) -> u32 {
        self.mask
    }

    /// Whether a sequence with this hash belongs to it.
    #[must_use]
    pub const fn has(self, hash: u32) -> bool {
        hash & self.mask == self.id
    }

    /// Whether all sequences of `other` belong to it.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        other.mask & self.mask == self.mask && self.has(other.id)
    }

    /// Its two halves; the first one keeps the number. `None` where [`Segment::MOST`] would be exceeded.
    #[must_use]
    pub fn split(self) -> Option<(Self, Self)> {
        let mask = self.mask << 1 | 1;
        Some((Self::new(self.id, mask)?, Self::new(self.id | (mask ^ self.mask), mask)?))
    }

    /// The one with which it makes up its parent; `None` for the whole.
    #[must_use]
    pub fn sibling(self) -> Option<Self> {
        let top = self.mask ^ self.mask >> 1;
        if self.mask == 0 { None } else { Self::new(self.id ^ top, self.mask) }
    }

    /// What it is a half of; `None` for the whole.
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        let mask = self.mask >> 1;
        if self.mask == 0 { None } else { Self::new(self.id & mask, mask) }
    }

    /// The hash of a sequence's name: 64 bits of FNV-1a, folded to 32.
    ///
    /// Source: Fowler, Noll and Vo, <http://www.isthe.com/chongo/tech/comp/fnv/>. It never changes: what was handled in one
    /// segment would be looked for in another.
    #[must_use]
    pub fn hash_of(sequence: &str) -> u32 {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in sequence.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        // The low bits alone are weak where names differ in their first characters only.
        let folded = hash ^ hash >> 32;
        let [a, b, c, d, ..] = folded.to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.id, self.mask)
    }
}

/// A segment of a processor as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRow {
    /// The processor.
    pub processor: String,
    /// The share.
    pub segment: Segment,
    /// Everything up to here is handled.
    pub position: Position,
    /// Grows with each change of owner, share or state.
    pub fence: u64,
    /// The node that works on it.
    pub owner: Option<String>,
    /// Whether it may be claimed.
    pub state: SegmentState,
    /// What the processor keeps with the segment, in JSON. Empty at first.
    pub details: String,
}

/// Whether a segment may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SegmentState {
    /// It may.
    Running,
    /// Somebody has paused the processor.
    Paused,
    /// It may; but a newer version of its view has taken its place. Programs of before keep what they read up to date.
    Replaced,
    /// It may; but what is written is not complete yet, and nobody reads it.
    Building,
}

impl SegmentState {
    #[cfg_attr(not(feature = "_sql"), allow(dead_code, reason = "for databases"))]
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Running => 0,
            Self::Paused => 1,
            Self::Replaced => 2,
            Self::Building => 3,
        }
    }

    #[cfg_attr(not(feature = "_sql"), allow(dead_code, reason = "for databases"))]
    pub(crate) fn of(number: u32) -> Self {
        match number {
            0 => Self::Running,
            1 => Self::Paused,
            3 => Self::Building,
            _ => Self::Replaced,
        }
    }
}

/// A change of a segment's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SegmentWrite {
    /// Adds it; its fencing number is the one given.
    Add(SegmentRow),
    /// Changes everything but its id; [`SegmentRow::fence`] is the one that was read, and grows by one.
    Change(SegmentRow),
    /// Removes it.
    Remove(SegmentRow),
}

impl SegmentWrite {
    /// The row that is meant.
    #[must_use]
    pub fn row(&self) -> &SegmentRow {
        match self {
            Self::Add(row) | Self::Change(row) | Self::Remove(row) => row,
        }
    }
}

/// The right to run a segment of a processor, with the fencing number that guards its writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose data this is.
    pub tenant: String,
    /// The processor.
    pub processor: String,
    /// The share.
    pub segment: Segment,
    /// Grows with each claim; a write under an older number is refused.
    pub fence: u64,
}

/// How far a claimed segment has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// The claim.
    pub claim: Claim,
    /// Everything up to here is handled.
    pub position: Position,
    /// What the processor keeps with the segment, where that has changed.
    pub details: Option<String>,
}

/// A node that works on processors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// Its id, which no other node ever has.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The processors that it can run.
    pub processors: Vec<String>,
    /// Whether it has been heard of in the time that it asked for, by the database's clock.
    pub live: bool,
}

#[cfg(test)]
mod tests {
    use super::Segment;

    #[test]
    fn shares_cover_every_hash_once() {
        for count in [1, 2, 3, 5, 8, 13, 16, 100, 1024, 5000] {
            let shares = Segment::shares(count);
            assert_eq!(shares.len(), (count.min(1024)) as usize);
            for hash in 0..4096_u32 {
                assert_eq!(shares.iter().filter(|share| share.has(hash)).count(), 1, "{count} {hash}");
            }
        }
    }

    #[test]
    fn halves_make_up_the_whole() {
        for share in Segment::shares(16) {
            let (low, high) = share.split().unwrap();
            assert_eq!((low.sibling(), high.sibling()), (Some(high), Some(low)));
            assert_eq!((low.parent(), high.parent()), (Some(share), Some(share)));
            assert!(share.covers(low) && share.covers(high) && !low.covers(high) && !low.covers(share));
            assert_eq!(low.id(), share.id());
        }
        assert_eq!((Segment::WHOLE.sibling(), Segment::WHOLE.parent()), (None, None));
        assert_eq!(Segment::new(0, 1023).unwrap().split(), None);
        assert_eq!((Segment::new(2, 1), Segment::new(0, 2), Segment::new(0, 2047)), (None, None, None));
    }

    #[test]
    fn a_hash_never_changes() {
        assert_eq!(Segment::hash_of(""), 0x4fd0_bfc1);
        assert_eq!(Segment::hash_of("order-1"), 0xea5a_68f2);
    }
}
