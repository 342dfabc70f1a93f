//! Settings of processors.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use super::newer::NewerRevision;

/// Settings of processors.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProcessorConfig {
    /// Events of one page, which is one transaction. Default 256. More is faster in catching up; less holds the right
    /// to write for a shorter time.
    pub batch: usize,
    /// How long one handler may take for one event; more is a failure like any other. Default 10 s. Until a handler
    /// returns, its transaction holds the right to write, and commands wait: hand slow work to others.
    pub handler_time: Duration,
    /// How often an event that failed is tried, the first time included, before it is parked. Default 5.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles each time, with jitter. Default 100 ms.
    pub pause: Duration,
    /// The longest pause between attempts. Default 10 s.
    pub longest_pause: Duration,
    /// How often a processor looks for events of other processes. Default 500 ms. Events of this process wake it at
    /// once.
    pub poll: Duration,
    /// What becomes of an event at a revision newer than this program reads. Default [`NewerRevision::Park`].
    pub newer: NewerRevision,
}

impl Default for ProcessorConfig {
    fn default() -> Self {
        Self {
            batch: 256,
            handler_time: Duration::from_secs(10),
            attempts: 5,
            pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
            poll: Duration::from_millis(500),
            newer: NewerRevision::Park,
        }
    }
}

impl ProcessorConfig {
    /// The pause after the failed attempt number `attempt` (from 1); `None` when it was the last.
    pub(crate) fn pause_after(&self, attempt: u32) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(self.pause)
            .with_max_delay(self.longest_pause)
            .without_max_times()
            .build()
            .nth(attempt.saturating_sub(1) as usize)
    }
}
