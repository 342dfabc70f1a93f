//! How processors are doing.

use std::time::Duration;

use crate::message::{Position, Timestamp};
use crate::store::{LetterCount, Read, Segment, SegmentRow, SegmentState, StoreError};

use super::component::criteria;
use super::control::ProcessorsHandle;
use super::details::Details;
use super::node::Cluster;
use super::progress::{Here, Progress};
use super::rate::Pace;

/// How one processor is doing, on all nodes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProcessorStatus {
    /// Its name.
    pub name: String,
    /// How far it is with all of its segments.
    pub position: Position,
    /// The newest position in the store.
    pub head: Position,
    /// For how long the oldest event has waited that is not handled yet, zero where there is none. Events that no handler of
    /// it takes are not meant.
    pub lag: Duration,
    /// Whether somebody has paused it.
    pub paused: bool,
    /// Whether it builds a view that is not read yet: the first time over old events, or a new version beside an old one.
    pub building: bool,
    /// Its segments, by their numbers; none before it has run for the first time.
    pub segments: Vec<SegmentStatus>,
    /// Whether this node works on any of them.
    pub runs_here: bool,
    /// Its dead letters.
    pub letters: LetterCount,
    /// Events a second that this node has handled for it: the average of the last ten seconds, or of the time since it began to
    /// work, which is taken for a second at least. 0 where it had nothing to do. `None` where this node works on none of its
    /// segments; what other nodes do each of them tells.
    pub rate: Option<f64>,
    /// How long this node still needs with its segments at the pace of late: to the end of a replay or of the first run over
    /// old events, else to the head. Zero where it is there; `None` where nothing moves, where a segment stops before an
    /// event, or where this node works on none of them.
    pub remaining: Option<Duration>,
}

impl ProcessorStatus {
    /// Positions between it and the head.
    #[must_use]
    pub fn behind(&self) -> u64 {
        self.head.get().saturating_sub(self.position.get())
    }

    /// Whether everything up to the head is handled, or was put among the dead letters.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.position >= self.head
    }

    /// Whether any segment handles events again after a reset.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        self.segments.iter().any(|segment| segment.replaying)
    }

    /// The part of the way that is done, from 0 to 1: of a replay or of the first run over old events, else of all.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a part of a whole")]
    pub fn done(&self) -> f64 {
        let until = until(&self.segments, self.head);
        if until == Position::START { 1.0 } else { (self.position.get() as f64 / until.get() as f64).min(1.0) }
    }
}

impl ProcessorsHandle {
    /// How all processors are doing, by name.
    ///
    /// ```
    /// # async fn look(app: &annals::Annals) -> Result<(), annals::store::StoreError> {
    /// for processor in app.processors().status().await? {
    ///     println!("{}: {} behind, {:?}", processor.name, processor.behind(), processor.lag);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn status(&self) -> Result<Vec<ProcessorStatus>, StoreError> {
        self.node.look().await?;
        let mut all = Vec::new();
        for (name, progress) in self.processors.iter() {
            all.push(self.status_of(name, progress).await?);
        }
        Ok(all)
    }

    async fn status_of(&self, name: &str, progress: &Progress) -> Result<ProcessorStatus, StoreError> {
        let head = self.journal.store().head().await.map_err(StoreError::unavailable)?;
        let here = progress.here.borrow().clone();
        let cluster = self.node.cluster().borrow().clone();
        let rows = cluster.segments(name);
        let segments: Vec<_> = rows.iter().map(|row| SegmentStatus::of(row, &cluster, self.node.id(), &here)).collect();
        let position = segments.iter().map(|segment| segment.position).min().unwrap_or_default();
        let waiting = match self.parts.get(name) {
            Some(components) if position < head => {
                let read = Read::matching(criteria(components), position).without_payloads();
                self.journal.first(read).await.map_err(StoreError::unavailable)?
            }
            _ => None,
        };
        let now = self.journal.now();
        let (pace, runs_here) = (progress.meter.pace(now), segments.iter().any(|segment| segment.here));
        Ok(ProcessorStatus {
            name: name.to_owned(),
            position,
            head,
            lag: waiting.map(|event| now.since(event.recorded.recorded_at)).unwrap_or_default(),
            paused: is_paused(rows),
            building: rows
                .iter()
                .any(|row| row.state == SegmentState::Building || Details::read(&row.details).unfinished),
            runs_here,
            rate: runs_here.then_some(pace.events),
            remaining: remaining(&segments, head, pace),
            segments,
            letters: self.journal.store().letter_count(self.journal.tenant(), name).await?,
        })
    }
}

/// How one segment of a processor is doing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SegmentStatus {
    /// The share.
    pub segment: Segment,
    /// Everything up to here is handled.
    pub position: Position,
    /// The id of the node that works on it; `None` while nobody does.
    pub owner: Option<String>,
    /// What people call that node.
    pub owner_name: Option<String>,
    /// Whether that is this node.
    pub here: bool,
    /// Whether it handles events again that it has handled before.
    pub replaying: bool,
    /// Up to where events are old to it: those of a replay, or those that were there when the processor first ran.
    pub old_until: Option<Position>,
    /// Whether it is still taking up a share that was merged into it.
    pub merging: bool,
    /// The event before which it stops.
    pub failure: Option<SegmentFailure>,
}

/// Why a segment does not get on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentFailure {
    /// The event before which it stops.
    pub position: Position,
    /// Its name.
    pub event: String,
    /// What the handler said.
    pub error: String,
    /// When that was.
    pub at: Timestamp,
}

impl SegmentStatus {
    pub(super) fn of(row: &SegmentRow, cluster: &Cluster, node: &str, here: &Here) -> Self {
        let details = Details::read(&row.details);
        let own = here.segments.iter().find(|(id, _)| *id == row.segment.id()).map(|(_, position)| *position);
        let position = own.map_or(row.position, |own| own.max(row.position));
        let owner = row.owner.clone().filter(|owner| cluster.is_live(owner));
        let named = |owner: &String| cluster.nodes.iter().find(|node| node.id == *owner).map(|node| node.name.clone());
        let past = details.past.filter(|past| position.get() < past.until);
        Self {
            segment: row.segment,
            position,
            owner_name: owner.as_ref().and_then(named),
            here: own.is_some() && owner.as_deref() == Some(node),
            owner,
            replaying: past.as_ref().is_some_and(|past| past.replay),
            old_until: past.map(|past| Position::new(past.until)),
            merging: details.ahead.iter().any(|ahead| ahead.position() > position),
            failure: details.failure.map(|failure| SegmentFailure {
                position: Position::new(failure.position),
                event: failure.event,
                error: failure.error,
                at: failure.at,
            }),
        }
    }
}

/// Where the way ends that a processor is on: with the last old event, else at the head.
pub(super) fn until(segments: &[SegmentStatus], head: Position) -> Position {
    segments.iter().filter_map(|segment| segment.old_until).max().unwrap_or(head)
}

/// In what time the segments of this node are at the end of the way, at this pace.
pub(super) fn remaining(segments: &[SegmentStatus], head: Position, pace: Pace) -> Option<Duration> {
    let here = || segments.iter().filter(|segment| segment.here);
    let slowest = here().map(|segment| segment.position).min()?;
    if here().any(|segment| segment.failure.is_some()) {
        return None;
    }
    pace.time(slowest, until(segments, head))
}

/// Whether all segments are paused.
pub(super) fn is_paused(rows: &[SegmentRow]) -> bool {
    !rows.is_empty() && rows.iter().all(|row| row.state == SegmentState::Paused)
}
