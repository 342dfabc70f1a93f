//! Settings of processors.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::store::Segment;

use super::failure::ErrorPolicy;
use super::newer::NewerRevision;
use super::sequence::SequencingPolicy;
use super::start::StartAt;

/// Settings of processors: of all of them with [`Builder::processors`](crate::app::Builder::processors), of one with
/// [`Builder::processor`](crate::app::Builder::processor).
///
/// ```
/// use annals::Annals;
/// use annals::processor::StartAt;
///
/// let builder = Annals::builder()
///     .processors(|all| all.batch = 1000)
///     .processor("sales-by-sku", |sales| {
///         sales.segments = 4;
///         sales.start = StartAt::Newest;
///     });
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProcessorConfig {
    /// Events of one page at most; a page is one transaction. Default 4096. How many it is the processor finds by itself: as
    /// many as it handles in [`batch_time`](Self::batch_time).
    pub batch: usize,
    /// How long the transaction of a page should take. Default 50 ms. More is faster in catching up; less holds the right to
    /// write for a shorter time, where a database gives it to one at a time.
    pub batch_time: Duration,
    /// How much of its documents a view keeps in memory from one page to the next, on each node, so that it does not read again
    /// what it has just written; those that were used longest ago go first. Unit: bytes, counted as the stored documents with
    /// their keys and 128 more for each; in memory they may take a few times as much. Default 16 MiB; 0 keeps none.
    pub memory: usize,
    /// How long one handler may take for one event; more is a failure like any other. Default 10 s. Until a handler
    /// returns, its transaction holds the right to write, and commands wait: hand slow work to others.
    pub handler_time: Duration,
    /// How many sequences external handlers work on side by side, on each node. Default 16.
    pub concurrency: usize,
    /// How often an event that failed is tried, the first time included, before it is parked. Default 5.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles each time, with jitter. Default 100 ms.
    pub pause: Duration,
    /// The longest pause between attempts. Default 10 s.
    pub longest_pause: Duration,
    /// How often a node looks for events of other processes. Default 500 ms, once for all processors. Events of this process
    /// wake them at once.
    pub poll: Duration,
    /// What becomes of an event at a revision newer than this program reads. Default [`NewerRevision::Park`].
    pub newer: NewerRevision,
    /// What becomes of an event that a handler cannot handle. Default: it is tried again, then parked; at once where the
    /// error says that trying again is of no use.
    pub on_error: ErrorPolicy,
    /// Into how many segments a processor is divided that has never run: more than one node can work on it then, each on its
    /// own segments. Default 16, and 1 for sagas, whose every segment reads all of their events; 1 to 1024.
    /// [`ProcessorsHandle::split`](super::ProcessorsHandle::split) and [`merge`](super::ProcessorsHandle::merge) change it
    /// later.
    pub segments: u32,
    /// Where a processor begins that has never run. Default: with the oldest event.
    pub start: StartAt,
    /// Which events are handled one after the other. Default: those of one stream.
    pub sequence: SequencingPolicy,
    /// Sequences that may be held up by dead letters. Default 1024. When there are as many, a segment stops before the next
    /// event that would have to be parked.
    pub held_sequences: u64,
    /// Dead letters of one sequence. Default 1024. When there are as many, the segment stops before the next one.
    pub letters_in_sequence: u64,
}

impl Default for ProcessorConfig {
    fn default() -> Self {
        Self {
            batch: 4096,
            batch_time: Duration::from_millis(50),
            memory: 16 * 1024 * 1024,
            handler_time: Duration::from_secs(10),
            concurrency: 16,
            attempts: 5,
            pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
            poll: Duration::from_millis(500),
            newer: NewerRevision::Park,
            on_error: ErrorPolicy::default(),
            segments: 16,
            start: StartAt::Oldest,
            sequence: SequencingPolicy::Stream,
            held_sequences: 1024,
            letters_in_sequence: 1024,
        }
    }
}

/// A setting of a processor or a saga that is outside of its limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}` of {processor} is {value}, and has to be {limit}")]
pub struct SettingError {
    /// The processor or the saga, or all of them.
    pub processor: String,
    /// The setting.
    pub setting: &'static str,
    /// What it is.
    pub value: String,
    /// What it may be.
    pub limit: &'static str,
}

impl ProcessorConfig {
    /// The first setting that is outside of its limits.
    pub(crate) fn check(&self, processor: &str) -> Result<(), SettingError> {
        let least = "at least 1";
        let numbers = [
            ("batch", self.batch, self.batch >= 1, least),
            ("concurrency", self.concurrency, self.concurrency >= 1, least),
            ("attempts", self.attempts as usize, self.attempts >= 1, least),
            ("segments", self.segments as usize, (1..=Segment::MOST).contains(&self.segments), "1 to 1024"),
        ];
        match numbers.into_iter().find(|(_, _, fits, _)| !fits) {
            None => Ok(()),
            Some((setting, value, _, limit)) => {
                Err(SettingError { processor: processor.to_owned(), setting, value: value.to_string(), limit })
            }
        }
    }

    /// The pause after the failed attempt number `attempt` (from 1); `None` when it was the last.
    pub(crate) fn pause_after(&self, attempt: u32) -> Option<Duration> {
        (attempt < self.attempts).then(|| self.pause_before(attempt))
    }

    /// The pause after the failed attempt number `attempt`, however many there were.
    pub(crate) fn pause_before(&self, attempt: u32) -> Duration {
        let pauses = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(self.pause)
            .with_max_delay(self.longest_pause)
            .without_max_times();
        // Doubled so often it is the longest in any case.
        let attempt = attempt.min(64);
        pauses.build().nth(attempt.saturating_sub(1) as usize).unwrap_or(self.longest_pause)
    }
}
