//! How far processors have got, and waiting for them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::message::{Position, StreamId};
use crate::store::{Claim, Journal, LetterState, StoreError};

use super::rate::Meter;

/// The processors of an application.
#[derive(Debug, Clone)]
pub(crate) struct Processors {
    journal: Journal,
    by_name: Arc<BTreeMap<String, Progress>>,
}

/// How far one processor has got on this node.
#[derive(Clone)]
pub(crate) struct Progress {
    /// What is handled of the segments of this node; changes after each page.
    pub(crate) here: watch::Sender<Here>,
    /// The claims on the segments of this node.
    pub(crate) claims: watch::Sender<Vec<Claim>>,
    /// Asks the processor to look at its dead letters.
    pub(crate) wake: Arc<Notify>,
    /// Whether it is to run on this node.
    pub(crate) started: watch::Sender<bool>,
    /// Whether it is alive on this node.
    pub(crate) pulse: Pulse,
    /// How fast it is on this node.
    pub(crate) meter: Meter,
    epochs: Arc<AtomicU64>,
    /// What was published in an earlier epoch counts no more.
    void_before: Arc<AtomicU64>,
}

/// When a processor was last heard of on this node, and how far behind it was when somebody last looked.
#[derive(Clone)]
pub(crate) struct Pulse(Arc<Mutex<(Instant, Option<u64>)>>);

impl Default for Pulse {
    fn default() -> Self {
        Self(Arc::new(Mutex::new((Instant::now(), None))))
    }
}

impl Pulse {
    /// It is alive.
    pub(crate) fn beat(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = Instant::now();
    }

    /// For how long it has been silent, and how far behind it was at the last look.
    pub(crate) fn look(&self, now: Instant, behind: u64) -> (Duration, Option<u64>) {
        let mut pulse = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (now.saturating_duration_since(pulse.0), pulse.1.replace(behind))
    }
}

/// The segments of this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Here {
    /// By their ids, how far each is.
    pub(crate) segments: Vec<(u32, Position)>,
    /// Whether they are all that there are.
    pub(crate) all: bool,
    /// Another one whenever they are others, or were lost in between.
    pub(crate) epoch: u64,
    /// Whether there may be dead letters of them.
    pub(crate) letters: bool,
}

impl Here {
    /// How far the processor is, where this node has all of its segments.
    pub(crate) fn reached(&self) -> Option<Position> {
        self.segments.iter().map(|(_, position)| *position).min().filter(|_| self.all)
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            here: watch::Sender::default(),
            claims: watch::Sender::default(),
            wake: Arc::default(),
            started: watch::Sender::new(true),
            pulse: Pulse::default(),
            meter: Meter::default(),
            epochs: Arc::default(),
            void_before: Arc::default(),
        }
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").field("here", &*self.here.borrow()).finish_non_exhaustive()
    }
}

impl Progress {
    /// Tells how far this node is with its segments.
    pub(crate) fn publish(&self, here: Here, claims: Vec<Claim>) {
        if here.epoch < self.void_before.load(Ordering::Acquire) {
            return;
        }
        self.here.send_if_modified(|before| std::mem::replace(before, here.clone()) != here);
        self.claims.send_if_modified(|before| {
            let changed = *before != claims;
            *before = claims;
            changed
        });
    }

    /// Tells that this node has no segments.
    pub(crate) fn let_go(&self) {
        self.publish(Here { epoch: self.next_epoch(), ..Here::default() }, Vec::new());
    }

    /// What is known of the segments is void: they were changed behind the back of whoever works on them.
    pub(crate) fn forget(&self) {
        self.void_before.store(self.next_epoch(), Ordering::Release);
        self.let_go();
    }

    /// From now on the segments are others.
    pub(crate) fn next_epoch(&self) -> u64 {
        self.epochs.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Why a processor has not come as far as was asked.
#[derive(Debug)]
pub(crate) enum Behind {
    /// The time was over.
    Late { processor: String, reached: Position, waited: Duration },
    /// The event that was waited for is a dead letter.
    Parked { processor: String },
    /// The store failed.
    Store(StoreError),
}

impl Processors {
    pub(crate) fn new(journal: Journal, names: impl IntoIterator<Item = String>) -> Self {
        let by_name = names.into_iter().map(|name| (name, Progress::default())).collect();
        Self { journal, by_name: Arc::new(by_name) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Progress> {
        self.by_name.get(name)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.by_name.keys().cloned().collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Progress)> {
        self.by_name.iter().map(|(name, progress)| (name.as_str(), progress))
    }

    /// How far `processor` is with all of its segments, on whatever nodes.
    pub(crate) async fn reached(&self, processor: &str) -> Result<Position, StoreError> {
        let here = self.get(processor).map(|progress| progress.here.borrow().clone()).unwrap_or_default();
        if let Some(reached) = here.reached() {
            return Ok(reached);
        }
        if here.segments.is_empty() {
            let token = self.journal.store().token(self.journal.tenant(), processor).await?;
            return Ok(token.unwrap_or_default());
        }
        let rows = self.journal.store().segments_of(self.journal.tenant(), processor).await?;
        let own = rows.iter().map(|row| {
            let here = here.segments.iter().find(|(id, _)| *id == row.segment.id());
            here.map_or(row.position, |(_, position)| row.position.max(*position))
        });
        Ok(own.min().unwrap_or_default())
    }

    /// Waits until `processor` has handled everything up to `wanted`. An event of `stream` that failed is waited for
    /// while it is tried again.
    pub(crate) async fn wait(
        &self,
        processor: &str,
        wanted: Position,
        stream: Option<&StreamId>,
        timeout: Duration,
    ) -> Result<(), Behind> {
        let deadline = Instant::now() + timeout;
        let mut watched = self.get(processor).map(|progress| progress.here.subscribe());
        loop {
            if let Some(watched) = &mut watched {
                watched.borrow_and_update();
            }
            let reached = self.reached(processor).await.map_err(Behind::Store)?;
            if reached >= wanted {
                let stream = stream.filter(|_| self.may_have_letters(processor));
                match self.letter(processor, wanted, stream).await? {
                    None => return Ok(()),
                    Some(LetterState::Parked) => return Err(Behind::Parked { processor: processor.to_owned() }),
                    Some(_) => {}
                }
            }
            if Instant::now() >= deadline {
                return Err(Behind::Late { processor: processor.to_owned(), reached, waited: timeout });
            }
            let poll = (Instant::now() + Duration::from_millis(50)).min(deadline);
            match &mut watched {
                Some(watched) if reached < wanted => {
                    let _ = tokio::time::timeout_at(poll, watched.changed()).await;
                }
                _ => tokio::time::sleep_until(poll).await,
            }
        }
    }

    /// Whether there may be dead letters of a processor: of one that runs elsewhere, too, nobody here knows.
    fn may_have_letters(&self, processor: &str) -> bool {
        let here = self.get(processor).map(|progress| progress.here.borrow().clone()).unwrap_or_default();
        here.reached().is_none() || here.letters
    }

    /// The state of a dead letter of `stream` at or before `wanted`.
    async fn letter(
        &self,
        processor: &str,
        wanted: Position,
        stream: Option<&StreamId>,
    ) -> Result<Option<LetterState>, Behind> {
        let Some(stream) = stream else { return Ok(None) };
        let letter = self.journal.store().letter_of_stream(self.journal.tenant(), processor, stream, wanted).await;
        Ok(letter.map_err(Behind::Store)?.map(|letter| letter.state))
    }
}
