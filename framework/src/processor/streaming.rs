//! The streaming processor: follows the store with the segments that this node has claimed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::handler::error::chain;
use crate::message::Position;
use crate::store::{Criteria, Journal, ReadError, SegmentState, StoreError};

use super::ahead::{Coming, Next, Source};
use super::building::{self, Family, Way};
use super::claims::{self, Founding, Held, is_free};
use super::component::{EventComponent, criteria};
use super::config::ProcessorConfig;
use super::kept::Kept;
use super::node::{Cluster, Node};
use super::progress::{Here, Progress};
use super::rate::Work;
use super::routed::{Routed, Router};

/// Tokens that events of other segments have left behind are written back when they are so many positions behind.
pub(super) const IDLE_TOKEN_LAG: u64 = 4096;
/// How long such tokens wait for that when nothing more comes, where other nodes may want to know.
pub(super) const FLUSH: Duration = Duration::from_millis(20);
/// The first pause after the store failed; it doubles up to the longest.
const STORE_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_STORE_PAUSE: Duration = Duration::from_secs(10);
/// The size of the first page.
const FIRST_PAGE: usize = 256;

/// Runs components over the events, in order.
pub(crate) struct StreamingProcessor {
    pub(crate) name: String,
    pub(crate) components: Arc<[Arc<dyn EventComponent>]>,
    pub(crate) journal: Journal,
    pub(crate) config: Arc<ProcessorConfig>,
    pub(crate) progress: Progress,
    pub(crate) node: Node,
    pub(crate) stop: CancellationToken,
}

/// Why a processor lets go of its claims.
#[derive(Debug, thiserror::Error)]
pub(super) enum Interrupted {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A handler was cut short: what it did is undone, and counts as nothing.
    #[error("the application is shut down")]
    ShutDown,
}

impl StreamingProcessor {
    /// Runs until it is stopped. A store that fails is tried again; a claim that is lost is claimed again.
    pub(crate) async fn run(self) {
        let _at_work = self.node.at_work();
        let mut pause = STORE_PAUSE;
        while !self.stop.is_cancelled() {
            let begun = Instant::now();
            let mut running = Running::new(&self);
            let ended = if running.is_outside() { running.run_outside().await } else { running.run().await };
            self.progress.let_go();
            match ended {
                Ok(()) | Err(Interrupted::ShutDown) => {}
                Err(Interrupted::Store(StoreError::ClaimLost { segment, .. })) => {
                    tracing::info!(processor = self.name, %segment, "a segment was taken over or changed");
                    self.node.refresh();
                    self.pause(Duration::from_millis(10)).await;
                }
                Err(error) => {
                    tracing::warn!(processor = self.name, error = chain(&error), "interrupted");
                    pause = if begun.elapsed() > LONGEST_STORE_PAUSE { STORE_PAUSE } else { pause * 2 };
                    self.pause(pause.min(LONGEST_STORE_PAUSE)).await;
                }
            }
        }
    }

    pub(super) async fn pause(&self, duration: Duration) {
        let _ = tokio::time::timeout(duration, self.stop.cancelled()).await;
    }
}

/// A processor at work.
pub(super) struct Running<'a> {
    pub(super) processor: &'a StreamingProcessor,
    pub(super) router: Router,
    pub(super) criteria: Arc<Criteria>,
    /// The segments of this node, by their ids.
    pub(super) held: Vec<Held>,
    /// Segments that stop before an event, and until when.
    pub(super) stopped: HashMap<u32, Instant>,
    /// Segments that were just let go of are left to others until then.
    resting: HashMap<u32, Instant>,
    /// Segments of which something is under way outside of transactions.
    pub(super) busy: HashSet<u32>,
    /// Those among them that are let go of as soon as that has ended.
    pub(super) leaving: HashSet<u32>,
    /// Whether there may be dead letters.
    pub(super) letters: bool,
    /// Another one whenever the segments are others.
    epoch: u64,
    /// Events of the next page.
    pub(super) size: usize,
    /// What the components keep from page to page.
    pub(super) kept: Kept,
    /// The next page, on its way.
    ahead: Option<Coming<Next>>,
    /// What a version of a view has to do while it is built.
    way: Option<Way>,
    /// Up to where the old version has handled everything, where that was met.
    front: Option<Position>,
}

impl<'a> Running<'a> {
    fn new(processor: &'a StreamingProcessor) -> Self {
        let router = Router {
            journal: processor.journal.clone(),
            components: Arc::clone(&processor.components),
            policy: processor.config.sequence.clone(),
        };
        Self {
            processor,
            router,
            criteria: Arc::new(criteria(&processor.components)),
            held: Vec::new(),
            stopped: HashMap::new(),
            resting: HashMap::new(),
            busy: HashSet::new(),
            leaving: HashSet::new(),
            letters: true,
            epoch: processor.progress.next_epoch(),
            size: FIRST_PAGE.min(processor.config.batch.max(1)),
            kept: Kept::default(),
            ahead: None,
            way: None,
            front: None,
        }
    }

    async fn run(&mut self) -> Result<(), Interrupted> {
        let StreamingProcessor { node, journal, stop, progress, config, .. } = self.processor;
        let (mut appended, mut head, mut cluster) = (journal.store().appended(), node.head(), node.cluster());
        let mut started = progress.started.subscribe();
        // Whether there may be something to read.
        let mut look = true;
        while !stop.is_cancelled() {
            progress.pulse.beat();
            // A sender that is gone changes nothing any more.
            look |= appended.has_changed().unwrap_or(false) || head.has_changed().unwrap_or(false);
            appended.borrow_and_update();
            head.borrow_and_update();
            let seen = Arc::clone(&cluster.borrow_and_update());
            let started_here = *started.borrow_and_update();
            look |= self.share(&seen, started_here).await?;
            let mut wait = config.poll;
            if self.held.is_empty() {
                tokio::select! {
                    _ = cluster.changed() => {}
                    _ = started.changed() => {}
                    () = stop.cancelled() => {}
                }
                continue;
            }
            if self.held.iter().any(|held| held.state == SegmentState::Building) && self.finish_building(&seen).await? {
                look = true;
                continue;
            }
            if let Some(next) = self.retry_letters().await? {
                wait = wait.min(next);
            }
            if look && self.next_page().await? {
                continue;
            }
            look = false;
            if self.held.iter().any(|held| held.state == SegmentState::Building) && self.finish_building(&seen).await? {
                look = true;
                continue;
            }
            if let Some(next) = self.stopped.values().min() {
                wait = wait.min(next.saturating_duration_since(Instant::now()));
            }
            let behind = self.held.iter().any(|held| held.stored < held.position);
            let flush = if seen.nodes.len() > 1 { FLUSH } else { config.poll };
            let building = self.held.iter().any(|held| held.state == SegmentState::Building);
            tokio::select! {
                _ = appended.changed() => look = true,
                _ = head.changed() => look = true,
                _ = cluster.changed() => look |= building,
                _ = started.changed() => {}
                () = progress.wake.notified() => self.letters = true,
                () = tokio::time::sleep(wait), if self.letters || !self.stopped.is_empty() => look = !self.stopped.is_empty(),
                () = tokio::time::sleep(flush), if behind => self.store_tokens(0).await?,
                () = stop.cancelled() => {}
            }
        }
        self.store_tokens(0).await
    }

    /// Claims what is this node's share, and lets go of what is more than that. Returns whether its segments are others now.
    pub(super) async fn share(&mut self, cluster: &Cluster, started: bool) -> Result<bool, Interrupted> {
        let StreamingProcessor { name, node, journal, config, .. } = self.processor;
        let rows = cluster.segments(name);
        let before = self.held.len();
        self.leaving.clear();
        self.held.retain(|held| !held.is_lost(cluster));
        let now = Instant::now();
        self.resting.retain(|_, until| *until > now);
        let able = cluster.able(name).max(1);
        let share = if started { rows.len().div_ceil(able) } else { 0 };
        let moved_here = |held: &Held| held.details.moved_to.as_deref() == Some(node.id());
        let others_lack = cluster.seen > now - Duration::from_secs(5) && able > 1;
        if self.held.len() > share && (others_lack || !started) {
            let surplus = self.held.len() - share;
            let mut leaving: Vec<Held> = Vec::new();
            let Self { busy, leaving: later, .. } = self;
            self.held.retain(|held| {
                let leaves = leaving.len() + later.len() < surplus && (!started || !moved_here(held));
                let waits = leaves && busy.contains(&held.claim.segment.id());
                if waits {
                    later.insert(held.claim.segment.id());
                } else if leaves {
                    leaving.push(held.clone());
                }
                waits || !leaves
            });
            if !leaving.is_empty() {
                self.let_go(&leaving).await?;
            }
        }
        let free = |row: &&crate::store::SegmentRow| {
            is_free(row, cluster, node)
                && !self.held.iter().any(|held| held.claim.segment == row.segment)
                && !self.resting.contains_key(&row.segment.id())
        };
        let own = |row: &crate::store::SegmentRow| {
            super::details::Details::read(&row.details).moved_to.as_deref() == Some(node.id())
        };
        let wanted: Vec<u32> = {
            let mut room = share.saturating_sub(self.held.len());
            let mut wanted = Vec::new();
            for row in rows.iter().filter(free) {
                // What it owned when it was interrupted others leave alone: it is claimed again, and let go of in order.
                let left_over = row.owner.as_deref() == Some(node.id());
                if left_over || own(row) && started {
                    wanted.push(row.segment.id());
                } else if room > 0 {
                    room -= 1;
                    wanted.push(row.segment.id());
                }
            }
            wanted
        };
        let unborn = rows.is_empty() && started;
        if unborn || !wanted.is_empty() {
            let founding = Founding { segments: config.segments, start: config.start, family: Family::of(name) };
            let choose = |rows: &[crate::store::SegmentRow]| {
                let free = rows.iter().filter(|row| is_free(row, cluster, node)).map(|row| row.segment.id());
                if unborn { free.collect() } else { free.filter(|id| wanted.contains(id)).collect() }
            };
            match claims::claim(journal, node, name, &founding, choose).await {
                Ok(claimed) => {
                    for held in &claimed {
                        tracing::debug!(processor = name, segment = %held.claim.segment, position = %held.position, "claimed");
                    }
                    self.letters = true;
                    self.held.retain(|held| !claimed.iter().any(|new| new.claim.segment == held.claim.segment));
                    self.held.extend(claimed);
                    self.held.sort_by_key(|held| held.claim.segment);
                    node.refresh();
                }
                // Another node was quicker.
                Err(StoreError::Changed { .. }) => node.refresh(),
                Err(error) => return Err(error.into()),
            }
        }
        let changed = self.held.len() != before || !wanted.is_empty() || unborn;
        if changed {
            self.epoch = self.processor.progress.next_epoch();
            self.ahead = None;
        }
        self.publish();
        Ok(changed)
    }

    /// Looks how far the new version of a view may go, and makes it the one that is read when it is there. Returns whether it is
    /// that now.
    async fn finish_building(&mut self, cluster: &Cluster) -> Result<bool, Interrupted> {
        let StreamingProcessor { name, node, journal, .. } = self.processor;
        let way = building::way(cluster.segments(name), |older| cluster.segments(older));
        if self.way.as_ref() != Some(&way) {
            (self.way, self.front) = (Some(way.clone()), None);
        }
        let slowest = self.held.iter().map(|held| held.position).min().unwrap_or_default();
        let there = match way {
            Way::Beside(_) => self.front.is_some_and(|front| slowest >= front),
            Way::Alone(ready) => slowest >= ready,
        };
        if !there {
            return Ok(false);
        }
        self.store_tokens(0).await?;
        let done = match way {
            Way::Beside(_) => building::stop_older(journal, name).await?,
            Way::Alone(_) => building::switch(journal, name).await?,
        };
        if done {
            // The fencing numbers have moved.
            self.held.clear();
            (self.way, self.front) = (None, None);
            self.ahead = None;
            node.look().await?;
        }
        Ok(done)
    }

    /// Of a page, what a new version of a view may handle by now.
    fn allowed(&mut self, mut page: Routed) -> Routed {
        let Some(way) = &self.way else { return page };
        let forbidden =
            page.items.iter().position(|item| !way.allows(item.step.hash, page.events[item.event].recorded.position));
        if let Some(first) = forbidden {
            let event = page.items[first].event;
            page.scanned = Position::new(page.events[event].recorded.position.get() - 1);
            page.more = false;
            page.items.retain(|item| item.event < event);
            page.events.truncate(event);
        }
        self.front = (!page.more).then_some(page.scanned);
        page
    }

    /// Lets go of segments, and leaves them to others for a while.
    async fn let_go(&mut self, leaving: &[Held]) -> Result<(), Interrupted> {
        let StreamingProcessor { name, node, journal, .. } = self.processor;
        self.store_tokens_of(leaving).await?;
        claims::release(journal, name, leaving).await?;
        let until = Instant::now() + Duration::from_secs(2);
        for held in leaving {
            tracing::debug!(processor = name, segment = %held.claim.segment, "let go");
            self.resting.insert(held.claim.segment.id(), until);
        }
        node.refresh();
        Ok(())
    }

    /// Reads a page and handles it; returns whether there may be more.
    async fn next_page(&mut self) -> Result<bool, Interrupted> {
        let now = Instant::now();
        self.stopped.retain(|_, until| *until > now);
        let active = self.held.iter().filter(|held| !self.stopped.contains_key(&held.claim.segment.id()));
        let Some(from) = active.map(|held| held.position).min() else { return Ok(false) };
        let ahead = self.ahead.take().filter(|ahead| ahead.from == from);
        // What was read ahead may have been read before the newest event was appended, whose signal has been seen since.
        let early = ahead.is_some();
        let ready = match ahead {
            Some(ahead) => ahead.here().await,
            None => None,
        };
        let source = Source { router: self.router.clone(), criteria: Arc::clone(&self.criteria) };
        let (page, behind) = match ready {
            Some(ready) => ready?,
            None => source.page(from, self.size, None).await?,
        };
        let page = self.allowed(page);
        if page.more {
            self.ahead = Some(source.begin(page.scanned, self.size, behind));
        }
        let (more, events) = (page.more, page.events.len());
        let begun = Instant::now();
        self.measured(page).await?;
        self.adapt(events, begun.elapsed());
        self.store_tokens(IDLE_TOKEN_LAG).await?;
        self.publish();
        let lagging =
            self.held.iter().any(|held| held.position < from && !self.stopped.contains_key(&held.claim.segment.id()));
        Ok(more || lagging || early)
    }

    /// Handles a page, and notes how fast that went.
    async fn measured(&mut self, page: Routed) -> Result<(), Interrupted> {
        let StreamingProcessor { journal, progress, .. } = self.processor;
        let before: Vec<Position> = self.held.iter().map(|held| held.position).collect();
        let begun = journal.now();
        let events = self.take(page).await?;
        // Of the segment that went farthest: one that stops before an event holds up no other.
        let passed =
            self.held.iter().zip(before).map(|(held, before)| held.position.get().saturating_sub(before.get()));
        let positions = passed.max().unwrap_or_default();
        progress.meter.add(Work { begun, ended: journal.now(), events, positions });
        Ok(())
    }

    /// Finds the size of pages that are handled in the time that is wanted, after one of so many events.
    fn adapt(&mut self, events: usize, took: Duration) {
        let config = &self.processor.config;
        let share = config.batch_time.as_secs_f64() / took.as_secs_f64().max(f64::MIN_POSITIVE);
        // At most half or twice as many: one page says little, and the next one was perhaps read already.
        let wanted = (events as f64 * share.clamp(0.5, 2.0)) as usize;
        if share < 1.0 {
            self.size = wanted.clamp((self.size / 2).max(1), self.size);
        } else if events >= self.size {
            self.size = wanted.min(config.batch.max(1));
        }
    }

    /// Writes tokens back that are more than `lag` positions behind, since the events between did not belong to their
    /// segments. Other nodes can then see it.
    pub(super) async fn store_tokens(&mut self, lag: u64) -> Result<(), Interrupted> {
        let behind: Vec<Held> =
            self.held.iter().filter(|held| held.position.get() - held.stored.get() > lag).cloned().collect();
        self.store_tokens_of(&behind).await?;
        for held in &mut self.held {
            if behind.iter().any(|behind| behind.claim == held.claim) {
                (held.stored, held.changed) = (held.position, false);
            }
        }
        Ok(())
    }

    async fn store_tokens_of(&self, held: &[Held]) -> Result<(), Interrupted> {
        let moved: Vec<_> = held.iter().filter(|held| held.stored < held.position).map(Held::advance).collect();
        if !moved.is_empty() {
            let mut transaction = self.processor.journal.store().begin().await?;
            transaction.advance(&moved).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Tells how far this node has got.
    pub(super) fn publish(&self) {
        let StreamingProcessor { name, node, progress, .. } = self.processor;
        let all = {
            let cluster = node.cluster();
            let cluster = cluster.borrow();
            let rows = cluster.segments(name);
            // The segments that are held make up the whole.
            let shares: u64 = self.held.iter().map(|held| u64::from(1024 / (held.claim.segment.mask() + 1))).sum();
            !self.held.is_empty() && (rows.is_empty() || shares == 1024)
        };
        let segments = self.held.iter().map(|held| (held.claim.segment.id(), held.position)).collect();
        let claims = self.held.iter().map(|held| held.claim.clone()).collect();
        progress.publish(Here { segments, all, epoch: self.epoch, letters: self.letters }, claims);
    }
}
