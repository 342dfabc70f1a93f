//! Looking at processors, and steering them.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::handler::AfterCommit;
use crate::message::Position;
use crate::store::{
    DeadLetter, Journal, LetterState, Segment, SegmentRow, SegmentState, SegmentWrite, StoreError, StoreTransaction,
};

use super::component::{EventComponent, ProcessorParts};
use super::details::{Ahead, Details, Past};
use super::error::ProcessorError;
use super::handling::{caught, unharmed};
use super::node::Node;
use super::passage::ResetTo;
use super::progress::{Processors, Progress};
use super::start::StartAt;

/// The processors of an application: `app.processors()`. What it changes holds for all nodes, and survives restarts, except
/// where it says otherwise.
#[derive(Clone)]
pub struct ProcessorsHandle {
    pub(super) processors: Processors,
    pub(super) parts: Arc<ProcessorParts>,
    pub(super) journal: Journal,
    pub(super) node: Node,
}

/// Rows of segments, changed by one of the operations.
type Change = Result<Vec<SegmentWrite>, ProcessorError>;

impl ProcessorsHandle {
    pub(crate) fn new(processors: Processors, parts: Arc<ProcessorParts>, journal: Journal, node: Node) -> Self {
        Self { processors, parts, journal, node }
    }

    pub(super) fn progress(&self, processor: &str) -> Option<&Progress> {
        self.processors.get(processor)
    }

    pub(super) fn now(&self) -> crate::message::Timestamp {
        self.journal.now()
    }

    /// Has `processor` stop on every node after the page that it is at, until it is [resumed](Self::resume), also over
    /// restarts.
    ///
    /// # Errors
    /// [`ProcessorError::Unknown`]; when the store does not answer.
    pub async fn pause(&self, processor: &str) -> Result<(), ProcessorError> {
        let paused = |row: SegmentRow| {
            let unfinished = row.state == SegmentState::Building;
            let details = Details { unfinished, ..Details::read(&row.details) }.write();
            SegmentRow { state: SegmentState::Paused, owner: None, details, ..row }
        };
        self.change(processor, |rows| {
            let running = rows.into_iter().filter(|row| row.state != SegmentState::Paused);
            Ok(running.map(paused).map(SegmentWrite::Change).collect())
        })
        .await
    }

    /// Has `processor` go on that was paused, or that a newer version of its view has replaced.
    ///
    /// # Errors
    /// [`ProcessorError::Unknown`]; when the store does not answer.
    pub async fn resume(&self, processor: &str) -> Result<(), ProcessorError> {
        let resumed = |row: SegmentRow| {
            let mut details = Details::read(&row.details);
            let unfinished = std::mem::take(&mut details.unfinished);
            let state = if unfinished { SegmentState::Building } else { SegmentState::Running };
            SegmentRow { state, details: details.write(), ..row }
        };
        self.change(processor, |rows| {
            let waits = |row: &SegmentRow| matches!(row.state, SegmentState::Paused | SegmentState::Replaced);
            let paused = rows.into_iter().filter(waits);
            Ok(paused.map(resumed).map(SegmentWrite::Change).collect())
        })
        .await
    }

    /// Has `processor` stop on this node, until it is [started](Self::start) here or the program is; other nodes take its
    /// segments over.
    ///
    /// # Errors
    /// [`ProcessorError::Unknown`].
    pub fn stop(&self, processor: &str) -> Result<(), ProcessorError> {
        self.known(processor)?.started.send_replace(false);
        self.node.offer(processor, false);
        Ok(())
    }

    /// Has `processor` run on this node again.
    ///
    /// # Errors
    /// [`ProcessorError::Unknown`].
    pub fn start(&self, processor: &str) -> Result<(), ProcessorError> {
        self.known(processor)?.started.send_replace(true);
        self.node.offer(processor, true);
        Ok(())
    }

    /// Divides a segment of `processor` into two halves. Nothing is lost or handled twice, and nothing has to stop.
    ///
    /// # Errors
    /// [`ProcessorError::NoSegment`]; [`ProcessorError::Refused`] for a processor that cannot be divided.
    pub async fn split(&self, processor: &str, segment: u32) -> Result<(), ProcessorError> {
        self.change(processor, |rows| {
            let row = find(processor, &rows, segment)?;
            let refused = || ProcessorError::Refused {
                processor: processor.to_owned(),
                what: "be divided further",
                reason: format!("{} segments are the most", Segment::MOST),
            };
            let (low, high) = row.segment.split().ok_or_else(refused)?;
            let details = Details::read(&row.details);
            let half = |share| SegmentRow { segment: share, details: details.of_share(share).write(), ..row.clone() };
            // Above every number that was ever given out for a segment of this id: those were merged into this one.
            let added = SegmentRow { owner: None, fence: row.fence + 1, ..half(high) };
            Ok(vec![SegmentWrite::Change(half(low)), SegmentWrite::Add(added)])
        })
        .await
    }

    /// Merges a segment of `processor` with its sibling into one. The half that is behind takes up what the other one has
    /// handled already, without handling it again.
    ///
    /// # Errors
    /// [`ProcessorError::NoSegment`]; [`ProcessorError::Refused`] where the sibling was divided, or there is none.
    pub async fn merge(&self, processor: &str, segment: u32) -> Result<(), ProcessorError> {
        self.change(processor, |rows| {
            let row = find(processor, &rows, segment)?;
            let sibling = row.segment.sibling();
            let other = sibling.and_then(|sibling| rows.iter().find(|row| row.segment == sibling));
            let refused = |reason: String| ProcessorError::Refused {
                processor: processor.to_owned(),
                what: "merge the segment",
                reason,
            };
            let (Some(parent), Some(other)) = (row.segment.parent(), other) else {
                return Err(refused(match sibling {
                    None => "it is the only one".to_owned(),
                    Some(sibling) => format!("its sibling {sibling} is divided: merge its parts first"),
                }));
            };
            let (low, high) = if row.segment < other.segment { (row, other) } else { (other, row) };
            // Its fencing number is above those of both: whoever still holds one of the halves is refused for ever, also
            // when the segment is divided again.
            let merged = SegmentRow { fence: low.fence.max(high.fence) + 1, ..merged(parent, low, high) };
            let (low, high) = (SegmentWrite::Remove(low.clone()), SegmentWrite::Remove(high.clone()));
            Ok(vec![low, high, SegmentWrite::Add(merged)])
        })
        .await
    }

    /// Has whoever works on a segment of `processor` let go of it, and forgets where it was [moved](Self::move_to): any node
    /// may claim it.
    ///
    /// # Errors
    /// [`ProcessorError::NoSegment`]; when the store does not answer.
    pub async fn release(&self, processor: &str, segment: u32) -> Result<(), ProcessorError> {
        self.place(processor, segment, None).await
    }

    /// Moves a segment of `processor` to this node.
    ///
    /// # Errors
    /// [`ProcessorError::NoSegment`]; when the store does not answer.
    pub async fn claim(&self, processor: &str, segment: u32) -> Result<(), ProcessorError> {
        self.place(processor, segment, Some(self.node.id().to_owned())).await
    }

    /// Moves a segment of `processor` to the node with this id; [`SegmentStatus::owner`](super::SegmentStatus::owner) tells
    /// the ids. It stays there as long as that node lives, or until it is [released](Self::release).
    ///
    /// # Errors
    /// [`ProcessorError::NoSegment`]; [`ProcessorError::Refused`] where no such node is alive that can run the processor.
    pub async fn move_to(&self, processor: &str, segment: u32, node: &str) -> Result<(), ProcessorError> {
        self.node.look().await?;
        let cluster = self.node.cluster().borrow().clone();
        let able = |row: &&crate::store::NodeRow| row.live && row.processors.iter().any(|own| own == processor);
        if !cluster.nodes.iter().filter(able).any(|row| row.id == node) {
            let alive: Vec<&str> = cluster.nodes.iter().filter(able).map(|row| row.id.as_str()).collect();
            return Err(ProcessorError::Refused {
                processor: processor.to_owned(),
                what: "be moved",
                reason: format!("no node `{node}` that can run it is alive; there are {alive:?}"),
            });
        }
        self.place(processor, segment, Some(node.to_owned())).await
    }

    async fn place(&self, processor: &str, segment: u32, node: Option<String>) -> Result<(), ProcessorError> {
        self.change(processor, |rows| {
            let row = find(processor, &rows, segment)?;
            let details = Details { moved_to: node.clone(), ..Details::read(&row.details) };
            Ok(vec![SegmentWrite::Change(SegmentRow { owner: None, details: details.write(), ..row.clone() })])
        })
        .await
    }

    /// Has `processor` forget what it wrote and handle all events again, from the oldest. Returns when the old rows are
    /// gone and the replay has begun, on whatever nodes.
    ///
    /// # Errors
    /// As [`ProcessorsHandle::reset`].
    pub async fn replay(&self, processor: &str) -> Result<(), ProcessorError> {
        self.reset(processor, StartAt::Oldest).await
    }

    /// Has `processor` undo what it wrote, with its `#[reset]`, and handle events again from `start` on. It stops on all nodes
    /// for that, and goes on by itself. Its dead letters of those events are gone: they come in their order.
    ///
    /// # Errors
    /// [`ProcessorError::Refused`] where its handlers cannot undo what they have written.
    pub async fn reset(&self, processor: &str, start: StartAt) -> Result<(), ProcessorError> {
        self.reset_to(processor, start, None).await
    }

    /// Does what [`ProcessorsHandle::reset`] does, and tells the `#[reset]`s why; they find it in [`ResetTo::context`].
    ///
    /// # Errors
    /// As [`ProcessorsHandle::reset`].
    pub async fn reset_with(
        &self,
        processor: &str,
        start: StartAt,
        context: &(impl Serialize + Sync),
    ) -> Result<(), ProcessorError> {
        let context = serde_json::to_value(context).map_err(|error| refused(processor, "be reset", &error))?;
        self.reset_to(processor, start, Some(context)).await
    }

    async fn reset_to(
        &self,
        processor: &str,
        start: StartAt,
        context: Option<serde_json::Value>,
    ) -> Result<(), ProcessorError> {
        let components = self.components(processor)?;
        let head = self.journal.store().head().await.map_err(StoreError::unavailable)?;
        let position = start.position(&self.journal, head).await?;
        let to = ResetTo::new(position, context.clone());
        // Other systems are emptied while no transaction is open; if the rest fails, they are the next time.
        for component in components {
            if let Some(external) = component.external() {
                let emptied = unharmed(&**component, external.empty(&to)).await;
                emptied.map_err(|error| refused(processor, "be reset", &error))?;
            }
        }
        let tenant = self.journal.tenant();
        let mut transaction = self.journal.store().begin().await?;
        let rows = transaction.lock_segments(tenant, processor).await?;
        let after = AfterCommit::default();
        for component in components {
            let reset = caught(&**component, component.reset(&to, &mut *transaction)).await;
            after.join(reset.map_err(|error| refused(processor, "be reset", &error))?);
        }
        transaction.clear_letters(tenant, processor, position).await?;
        let writes = rows.into_iter().map(|row| {
            let before = Details::read(&row.details);
            // Of each segment what it has handled itself: to a slower one the rest is new.
            let until = handled_to(&row);
            let replayed = || Past { until: until.get(), replay: true, context: context.clone() };
            let is_built = row.state == SegmentState::Building || before.unfinished;
            // What is built has still to come as far as it had to before it is read.
            let past = if is_built { before.past.clone() } else { (position < until).then(replayed) };
            let details = Details { past, ahead: Vec::new(), unclean: 0, trying: None, failure: None, ..before };
            SegmentWrite::Change(SegmentRow { position, owner: None, details: details.write(), ..row })
        });
        transaction.write_segments(tenant, writes.collect()).await?;
        transaction.commit().await?;
        self.known(processor)?.forget();
        after.committed();
        self.node.look().await?;
        Ok(())
    }

    /// The dead letters of `processor`, oldest first; also of one that this program does not have, as long as it has left some.
    ///
    /// # Errors
    /// [`ProcessorError::Unknown`] where there are neither letters nor a processor of that name.
    pub async fn dead_letters(&self, processor: &str) -> Result<Vec<DeadLetter>, ProcessorError> {
        let mut all: Vec<DeadLetter> = Vec::new();
        loop {
            let after = all.last().map_or((Position::START, 0), |letter| (letter.position, letter.place));
            let page = self.journal.store().dead_letters(self.journal.tenant(), processor, after, LETTERS).await?;
            let more = page.len() == LETTERS;
            all.extend(page);
            if !more {
                if all.is_empty() {
                    self.known(processor)?;
                }
                return Ok(all);
            }
        }
    }

    /// Has a dead letter tried again at once, as if for the first time; returns whether it was still there.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn retry(&self, letter: &DeadLetter) -> Result<bool, StoreError> {
        Ok(self.retry_all(std::slice::from_ref(letter)).await? > 0)
    }

    /// Has those dead letters of `processor` tried again that `chosen` chooses; returns how many.
    ///
    /// ```
    /// # async fn again(app: &annals::Annals) -> Result<(), annals::processor::ProcessorError> {
    /// app.processors().retry_where("sales-by-sku", |letter| letter.event == "order.placed").await?;
    /// app.processors().retry_where("sales-by-sku", |_| true).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`ProcessorsHandle::dead_letters`].
    pub async fn retry_where(
        &self,
        processor: &str,
        chosen: impl Fn(&DeadLetter) -> bool,
    ) -> Result<u64, ProcessorError> {
        let letters: Vec<DeadLetter> = self.dead_letters(processor).await?.into_iter().filter(chosen).collect();
        Ok(self.retry_all(&letters).await?)
    }

    async fn retry_all(&self, letters: &[DeadLetter]) -> Result<u64, StoreError> {
        let now = self.journal.now();
        let mut retried = 0;
        for some in letters.chunks(LETTERS) {
            let mut transaction = self.journal.store().begin().await?;
            for letter in some {
                let again = DeadLetter { attempts: 0, state: LetterState::Retrying(now), ..letter.clone() };
                retried += u64::from(transaction.update_letter(&again).await?);
            }
            transaction.commit().await?;
        }
        self.wake(letters);
        Ok(retried)
    }

    /// Gives a dead letter up for good: the event is skipped, and its sequence goes on behind it. Returns whether it was
    /// still there.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn evict(&self, letter: &DeadLetter) -> Result<bool, StoreError> {
        Ok(self.evict_all(std::slice::from_ref(letter)).await? > 0)
    }

    /// Gives those dead letters of `processor` up that `chosen` chooses; returns how many.
    ///
    /// # Errors
    /// As [`ProcessorsHandle::dead_letters`].
    pub async fn evict_where(
        &self,
        processor: &str,
        chosen: impl Fn(&DeadLetter) -> bool,
    ) -> Result<u64, ProcessorError> {
        let letters: Vec<DeadLetter> = self.dead_letters(processor).await?.into_iter().filter(chosen).collect();
        Ok(self.evict_all(&letters).await?)
    }

    async fn evict_all(&self, letters: &[DeadLetter]) -> Result<u64, StoreError> {
        let mut evicted = 0;
        for some in letters.chunks(LETTERS) {
            let mut transaction = self.journal.store().begin().await?;
            for letter in some {
                evicted += u64::from(transaction.remove_letter(letter).await?);
            }
            transaction.commit().await?;
        }
        self.wake(letters);
        Ok(evicted)
    }

    fn wake(&self, letters: &[DeadLetter]) {
        let names: BTreeSet<&str> = letters.iter().map(|letter| letter.processor.as_str()).collect();
        for progress in names.into_iter().filter_map(|name| self.processors.get(name)) {
            progress.wake.notify_one();
        }
    }

    /// Changes rows of a processor in one transaction. Owners whose segments were changed notice it at the latest when they
    /// write.
    async fn change(&self, processor: &str, change: impl Fn(Vec<SegmentRow>) -> Change) -> Result<(), ProcessorError> {
        self.known(processor)?;
        let mut attempts = 1;
        while let Err(error) = self.try_to_change(processor, &change).await {
            // A database may end a transaction that meets others.
            let again = matches!(error, ProcessorError::Store(_)) && attempts < CHANGES;
            if !again {
                return Err(error);
            }
            attempts += 1;
        }
        self.known(processor)?.forget();
        self.node.look().await?;
        Ok(())
    }

    async fn try_to_change(
        &self,
        processor: &str,
        change: impl Fn(Vec<SegmentRow>) -> Change,
    ) -> Result<(), ProcessorError> {
        let tenant = self.journal.tenant();
        let mut transaction: Box<dyn StoreTransaction> = self.journal.store().begin().await?;
        let rows = transaction.lock_segments(tenant, processor).await?;
        let writes = change(rows)?;
        transaction.write_segments(tenant, writes).await?;
        Ok(transaction.commit().await?)
    }

    fn components(&self, processor: &str) -> Result<&[Arc<dyn EventComponent>], ProcessorError> {
        self.known(processor)?;
        let none = || refused(processor, "be changed", &"this program does not run it");
        self.parts.get(processor).map(|components| &**components).ok_or_else(none)
    }

    fn known(&self, processor: &str) -> Result<&Progress, ProcessorError> {
        let unknown = || ProcessorError::Unknown { processor: processor.to_owned(), known: self.processors.names() };
        self.processors.get(processor).ok_or_else(unknown)
    }
}

impl fmt::Debug for ProcessorsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessorsHandle").field("processors", &self.processors).finish_non_exhaustive()
    }
}

/// How often a change is tried that the database refuses.
const CHANGES: u32 = 5;
/// Letters that are written together.
const LETTERS: usize = 1000;

fn refused(processor: &str, what: &'static str, reason: &dyn std::fmt::Display) -> ProcessorError {
    ProcessorError::Refused { processor: processor.to_owned(), what, reason: reason.to_string() }
}

fn find<'r>(processor: &str, rows: &'r [SegmentRow], segment: u32) -> Result<&'r SegmentRow, ProcessorError> {
    rows.iter().find(|row| row.segment.id() == segment).ok_or_else(|| ProcessorError::NoSegment {
        processor: processor.to_owned(),
        segment,
        known: rows.iter().map(|row| row.segment.id()).collect(),
    })
}

/// Up to where a segment, or a share that was merged into it, has ever handled events, also before an earlier reset.
fn handled_to(row: &SegmentRow) -> Position {
    let details = Details::read(&row.details);
    let ahead = details.ahead.iter().map(Ahead::position);
    let replayed = details.past.iter().filter(|past| past.replay).map(|past| Position::new(past.until));
    ahead.chain(replayed).fold(row.position, Position::max)
}

/// The row of two halves: it stands where the slower one does, and knows that the other is ahead.
fn merged(parent: Segment, low: &SegmentRow, high: &SegmentRow) -> SegmentRow {
    let (first, second) = (Details::read(&low.details), Details::read(&high.details));
    let position = low.position.min(high.position);
    let mut gate = first.gate.clone();
    gate.extend(second.gate.iter().filter(|share| !first.gate.contains(share)));
    let mut details = Details {
        past: [&first.past, &second.past].into_iter().flatten().max_by_key(|past| past.until).cloned(),
        beside: first.beside.clone().or_else(|| second.beside.clone()),
        ready_at: first.ready_at.max(second.ready_at),
        unfinished: first.unfinished || second.unfinished,
        gate,
        ..Details::default()
    };
    for (row, half) in [(low, first), (high, second)] {
        if row.position > position {
            details.ahead.push(Ahead::new(row.segment, row.position));
        }
        details.ahead.extend(half.ahead);
    }
    details.pass(position);
    SegmentRow { segment: parent, position, owner: None, details: details.write(), ..low.clone() }
}
