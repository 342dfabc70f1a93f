//! Claiming segments, and letting go of them.

use std::sync::Arc;

use crate::message::Position;
use crate::store::{Claim, Journal, Segment, SegmentRow, SegmentState, SegmentWrite, StoreError};

use super::building::Family;
use super::config::ProcessorConfig;
use super::details::{Details, Past};
use super::node::{Cluster, Node};
use super::start::StartAt;

/// A segment that this node works on.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) claim: Claim,
    /// What is handled.
    pub(crate) position: Position,
    /// What the stored token says.
    pub(crate) stored: Position,
    pub(crate) details: Details,
    pub(crate) state: SegmentState,
    /// Whether the stored details are others.
    pub(crate) changed: bool,
    pub(crate) since: tokio::time::Instant,
}

impl Held {
    /// Whether somebody else was seen to have it, or its share to have changed.
    pub(super) fn is_lost(&self, cluster: &Cluster) -> bool {
        let Claim { processor, segment, fence, .. } = &self.claim;
        let mut rows = cluster.segments(processor).iter();
        // What was seen before the claim says nothing about it.
        cluster.seen > self.since && !rows.any(|row| row.segment == *segment && row.fence <= *fence)
    }
}

/// How the segments of a processor are made that has none.
#[derive(Debug, Clone)]
pub(crate) struct Founding {
    pub(crate) segments: u32,
    pub(crate) start: StartAt,
    /// Of a view: how its processor and those of its older versions are called.
    pub(crate) family: Option<Family>,
}

/// Makes the segments of processors that have none: readers then know what is built and what is not.
pub(crate) async fn found_all(
    journal: &Journal,
    node: &Node,
    processors: &[(String, Arc<ProcessorConfig>)],
) -> Result<(), StoreError> {
    for (name, config) in processors {
        if !node.cluster().borrow().segments(name).is_empty() {
            continue;
        }
        let founding = Founding { segments: config.segments, start: config.start, family: Family::of(name) };
        match claim(journal, node, name, &founding, |_| Vec::new()).await {
            // Another node was quicker.
            Ok(_) | Err(StoreError::Changed { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    node.look().await
}

/// Whether this node may claim the segment.
pub(crate) fn is_free(row: &SegmentRow, cluster: &Cluster, node: &Node) -> bool {
    let others = |other: &str| other != node.id() && cluster.is_live(other);
    row.state != SegmentState::Paused
        && !row.owner.as_deref().is_some_and(others)
        && !Details::read(&row.details).moved_to.as_deref().is_some_and(others)
}

/// Claims those segments of `processor` that `choose` names, by their ids, in one transaction; makes them where there are
/// none.
pub(crate) async fn claim(
    journal: &Journal,
    node: &Node,
    processor: &str,
    founding: &Founding,
    choose: impl FnOnce(&[SegmentRow]) -> Vec<u32>,
) -> Result<Vec<Held>, StoreError> {
    let start = start_of(journal, processor, founding).await?;
    let since = tokio::time::Instant::now();
    let mut transaction = journal.store().begin().await?;
    let mut rows = transaction.lock_segments(journal.tenant(), processor).await?;
    let mut writes = Vec::new();
    if rows.is_empty() {
        let older = match &founding.family {
            Some(family) => family.older(&journal.store().segments(journal.tenant()).await?),
            None => None,
        };
        rows = found(processor, founding, start, older);
        writes.extend(rows.iter().cloned().map(SegmentWrite::Add));
    }
    let chosen = choose(&rows);
    let mut held = Vec::new();
    for row in rows.into_iter().filter(|row| chosen.contains(&row.segment.id())) {
        let mut details = Details::read(&row.details);
        // Whoever leaves in order gives up what it has claimed.
        if row.owner.as_deref().is_some_and(|owner| owner != node.id()) {
            details.unclean += 1;
        }
        let row = SegmentRow { owner: Some(node.id().to_owned()), details: details.write(), ..row };
        held.push(Held {
            claim: Claim {
                tenant: journal.tenant().to_owned(),
                processor: processor.to_owned(),
                segment: row.segment,
                fence: row.fence + 1,
            },
            position: row.position,
            stored: row.position,
            details,
            state: row.state,
            changed: false,
            since,
        });
        writes.push(SegmentWrite::Change(row));
    }
    if writes.is_empty() {
        return Ok(held);
    }
    transaction.write_segments(journal.tenant(), writes).await?;
    transaction.commit().await?;
    Ok(held)
}

/// Claims all segments of a processor, also of one that is paused; `None` while other nodes work on it.
pub(crate) async fn claim_all(
    journal: &Journal,
    node: &Node,
    processor: &str,
) -> Result<Option<Vec<Held>>, StoreError> {
    let cluster = node.cluster().borrow().clone();
    let taken = |row: &SegmentRow| {
        let owner = row.owner.as_deref();
        owner.is_some_and(|owner| owner != node.id() && cluster.is_live(owner))
    };
    // As it was a moment ago, which costs nothing to ask.
    if cluster.segments(processor).iter().any(taken) {
        return Ok(None);
    }
    let founding = Founding { segments: 1, start: StartAt::Oldest, family: None };
    let all = |rows: &[SegmentRow]| {
        let ids = rows.iter().map(|row| row.segment.id());
        if rows.iter().any(taken) { Vec::new() } else { ids.collect() }
    };
    match claim(journal, node, processor, &founding, all).await {
        Ok(held) => Ok(Some(held).filter(|held| !held.is_empty())),
        // Another node was quicker.
        Err(StoreError::Changed { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Claims a processor of one segment; `None` while another node works on it.
pub(crate) async fn claim_whole(journal: &Journal, node: &Node, processor: &str) -> Result<Option<Held>, StoreError> {
    Ok(claim_all(journal, node, processor).await?.and_then(|mut held| held.pop()))
}

/// Lets go of segments, as far as they are still this node's.
pub(crate) async fn release(journal: &Journal, processor: &str, held: &[Held]) -> Result<(), StoreError> {
    let mut transaction = journal.store().begin().await?;
    let rows = transaction.lock_segments(journal.tenant(), processor).await?;
    let own =
        |row: &SegmentRow| held.iter().any(|held| held.claim.segment == row.segment && held.claim.fence == row.fence);
    let writes = rows.into_iter().filter(own).map(|row| SegmentWrite::Change(SegmentRow { owner: None, ..row }));
    transaction.write_segments(journal.tenant(), writes.collect()).await?;
    transaction.commit().await
}

/// Where a processor begins that has never run, and the head of the store then. Nothing is read for one that has.
async fn start_of(journal: &Journal, processor: &str, founding: &Founding) -> Result<(Position, Position), StoreError> {
    if journal.store().token(journal.tenant(), processor).await?.is_some() {
        return Ok((Position::START, Position::START));
    }
    let head = journal.store().head().await.map_err(StoreError::unavailable)?;
    Ok((founding.start.position(journal, head).await?, head))
}

/// The segments of a processor that has never run. What is stored by now is old to it; a view with old events, or with an
/// older version, is built before anybody reads it.
fn found(
    processor: &str,
    founding: &Founding,
    (start, head): (Position, Position),
    older: Option<String>,
) -> Vec<SegmentRow> {
    let past = (start < head).then(|| Past { until: head.get(), replay: false, context: None });
    let builds = founding.family.is_some() && (past.is_some() || older.is_some());
    let state = if builds { SegmentState::Building } else { SegmentState::Running };
    let details = Details { past, beside: older, ..Details::default() }.write();
    let rows = Segment::shares(founding.segments.max(1)).into_iter().map(|segment| SegmentRow {
        processor: processor.to_owned(),
        segment,
        position: start,
        fence: 0,
        owner: None,
        state,
        details: details.clone(),
    });
    rows.collect()
}
