//! Settings of the command side.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// Settings of the command side.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CommandConfig {
    /// How often a decision is run again after a conflict with another writer. Default 5. More rides out more
    /// contention; 0 reports the first conflict.
    pub conflict_retries: u32,
    /// The first pause before a decision is run again; it doubles each time, with jitter, up to 50 times itself.
    /// Default 2 ms.
    pub conflict_pause: Duration,
    /// Aggregate states kept in memory for each aggregate type. Default 10,000; 0 keeps none that is not in use.
    pub cached_states: usize,
    /// Bytes that these states take at most for each aggregate type, by an estimate ([`Aggregate::size`](crate::Aggregate::size)). Default 64 MiB;
    /// 0 keeps no state that is not in use. More saves loading; a state that is larger than the whole is loaded for each
    /// command. [`Annals::caches`](crate::Annals::caches) shows what is used.
    pub cached_bytes: usize,
    /// Commands that may wait for one aggregate. Default 1,024; more are refused as busy.
    pub lane_limit: usize,
    /// Commands that may be under way in the whole application, those that wait for their turn and those that handlers send
    /// included. Default 65,536; more are refused ([`CommandFailure::Overloaded`](crate::CommandFailure::Overloaded)). Each takes
    /// some KiB of memory while it waits.
    pub in_flight: usize,
    /// How long the outcome of a command is remembered, so that a repeat gets the first answer. Default 7 days. Of
    /// several programs on one store the one with the shortest time decides.
    pub remembered: Duration,
}

impl Default for CommandConfig {
    fn default() -> Self {
        Self {
            conflict_retries: 5,
            conflict_pause: Duration::from_millis(2),
            cached_states: 10_000,
            cached_bytes: 64 << 20,
            lane_limit: 1024,
            in_flight: 65_536,
            remembered: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

impl CommandConfig {
    /// The pauses between attempts, as many as there are retries.
    pub(crate) fn pauses(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(self.conflict_pause)
            .with_max_delay(self.conflict_pause * 50)
            .with_max_times(self.conflict_retries as usize)
            .build()
    }
}
