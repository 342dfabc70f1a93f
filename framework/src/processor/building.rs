//! Building a new version of a view beside the old one.
//!
//! The segments of the new version are [`SegmentState::Building`]: nobody reads what they write, and they go no further than
//! the old version has come, so that what concerns the outside is done by the old one alone. When they are nearly there, one
//! transaction stops the old version, which is read all the same, and notes for each of its shares how far it came (the
//! gate): what lies behind that concerns the new one. As soon as the new one is as far, a second transaction makes it the one
//! that is read. Each step is found again after a crash, by whichever node.

use crate::message::Position;
use crate::store::{Journal, Segment, SegmentRow, SegmentState, SegmentWrite, StoreError};

use super::details::{Ahead, Details};

/// How the processors of the versions of a view are called: the name, and the version behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Family {
    pub(crate) prefix: String,
    pub(crate) version: u32,
}

impl Family {
    /// The family of the processor with this name; `None` for one that is not of a view.
    pub(crate) fn of(processor: &str) -> Option<Self> {
        if !processor.starts_with("view:") {
            return None;
        }
        let (name, version) = processor.rsplit_once('@')?;
        Some(Self { prefix: format!("{name}@"), version: version.parse().ok()? })
    }

    /// The version of a processor of the family.
    pub(crate) fn version_of(&self, processor: &str) -> Option<u32> {
        processor.strip_prefix(&self.prefix)?.parse().ok()
    }

    /// The processor of the newest older version that is read.
    pub(crate) fn older(&self, rows: &[SegmentRow]) -> Option<String> {
        let read = rows.iter().filter(|row| is_read(row));
        let older = read.filter_map(|row| {
            let version = self.version_of(&row.processor)?;
            (version < self.version).then_some((version, &row.processor))
        });
        older.max().map(|(_, processor)| processor.clone())
    }
}

/// Whether the documents that the segment writes are read.
pub(crate) fn is_read(row: &SegmentRow) -> bool {
    match row.state {
        SegmentState::Running => true,
        SegmentState::Paused => !Details::read(&row.details).unfinished,
        SegmentState::Building | SegmentState::Replaced => false,
    }
}

/// As far as a segment has to be before it is read, if that is known.
pub(crate) fn ready_at(row: &SegmentRow) -> Option<u64> {
    let details = Details::read(&row.details);
    details.ready_at.or(details.past.map(|past| past.until))
}

/// What a version has to do before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// To handle what the old version has handled, each of whose shares has come as far as is told here.
    Beside(Vec<(Segment, Position)>),
    /// To come at least as far as this.
    Alone(Position),
}

impl Way {
    /// Whether the event at `position`, in the sequence with this hash, may be handled.
    pub(super) fn allows(&self, hash: u32, position: Position) -> bool {
        match self {
            Self::Alone(_) => true,
            Self::Beside(older) => older.iter().any(|(share, reached)| share.has(hash) && position <= *reached),
        }
    }
}

/// The way of the version with these segments, where `older` tells those of another processor.
pub(super) fn way<'r>(rows: &[SegmentRow], older: impl Fn(&str) -> &'r [SegmentRow]) -> Way {
    let details: Vec<Details> = rows.iter().map(|row| Details::read(&row.details)).collect();
    if let Some(ready) = details.iter().filter_map(|details| details.ready_at).max() {
        return Way::Alone(Position::new(ready));
    }
    let beside = details.iter().find_map(|details| details.beside.as_deref());
    match beside.map(older) {
        // One that was dropped meanwhile is waited for no longer.
        None | Some([]) => Way::Alone(Position::new(until(&details))),
        Some(older) => Way::Beside(older.iter().map(|row| (row.segment, row.position)).collect()),
    }
}

fn until(details: &[Details]) -> u64 {
    details.iter().filter_map(|details| details.past.as_ref().map(|past| past.until)).max().unwrap_or_default()
}

fn is_building(rows: &[SegmentRow]) -> bool {
    !rows.is_empty() && rows.iter().all(|row| row.state == SegmentState::Building)
}

/// The segments of a new version are together when none is further behind the first one than this.
const TOGETHER: u64 = 10_000;

/// Stops the version beside which `processor` builds a new one, unless segments on other nodes are far behind. Everything
/// that the new one has handled so far the old one has handled too. Returns whether it was stopped.
pub(super) async fn stop_older(journal: &Journal, processor: &str) -> Result<bool, StoreError> {
    let tenant = journal.tenant();
    let mut transaction = journal.store().begin().await?;
    let rows = transaction.lock_segments(tenant, processor).await?;
    let details: Vec<Details> = rows.iter().map(|row| Details::read(&row.details)).collect();
    let beside = details.iter().find_map(|details| details.beside.clone());
    let (true, Some(beside)) = (is_building(&rows), beside) else { return Ok(true) };
    let (first, last) = (rows.iter().map(|row| row.position).max(), rows.iter().map(|row| row.position).min());
    if first.unwrap_or_default().get() - last.unwrap_or_default().get() > TOGETHER {
        return Ok(false);
    }
    let older = transaction.lock_segments(tenant, &beside).await?;
    let gate: Vec<Ahead> = older.iter().map(|row| Ahead::new(row.segment, row.position)).collect();
    let ready_at = older.iter().map(|row| row.position.get()).max().unwrap_or_else(|| until(&details));
    let mut writes = Vec::new();
    for (row, details) in rows.into_iter().zip(details) {
        let mut details = Details { gate: gate.clone(), past: None, ready_at: Some(ready_at), ..details };
        details.pass(row.position);
        writes.push(SegmentWrite::Change(SegmentRow { details: details.write(), ..row }));
    }
    let stopped = older.into_iter().filter(|row| row.state == SegmentState::Running);
    let stopped = stopped.map(|row| SegmentRow { state: SegmentState::Paused, owner: None, ..row });
    writes.extend(stopped.map(SegmentWrite::Change));
    transaction.write_segments(tenant, writes).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Makes the version that `processor` builds the one that is read, if all of it is as far as it has to be. Returns whether it
/// is that now.
pub(super) async fn switch(journal: &Journal, processor: &str) -> Result<bool, StoreError> {
    let tenant = journal.tenant();
    let mut transaction = journal.store().begin().await?;
    let rows = transaction.lock_segments(tenant, processor).await?;
    if !is_building(&rows) {
        return Ok(rows.iter().any(is_read));
    }
    let details: Vec<Details> = rows.iter().map(|row| Details::read(&row.details)).collect();
    let wanted = details.iter().filter_map(|details| details.ready_at).max().unwrap_or_else(|| until(&details));
    if rows.iter().any(|row| row.position.get() < wanted) {
        return Ok(false);
    }
    let older = match details.iter().find_map(|details| details.beside.clone()) {
        Some(beside) => transaction.lock_segments(tenant, &beside).await?,
        None => Vec::new(),
    };
    let mut writes = Vec::new();
    for (row, details) in rows.into_iter().zip(details) {
        let details = Details { beside: None, ready_at: None, ..details }.write();
        writes.push(SegmentWrite::Change(SegmentRow { state: SegmentState::Running, details, ..row }));
    }
    let replaced = older.into_iter().map(|row| SegmentRow { state: SegmentState::Replaced, owner: None, ..row });
    writes.extend(replaced.map(SegmentWrite::Change));
    transaction.write_segments(tenant, writes).await?;
    transaction.commit().await?;
    tracing::info!(processor, "a view is built, and is read from now on");
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::Family;

    #[test]
    fn versions_of_a_view_are_a_family() {
        let family = Family::of("view:order@summary@2").unwrap();
        assert_eq!((family.prefix.as_str(), family.version), ("view:order@summary@", 2));
        assert_eq!(family.version_of("view:order@summary@11"), Some(11));
        assert_eq!((family.version_of("view:order@1"), Family::of("sales@2")), (None, None));
    }
}
