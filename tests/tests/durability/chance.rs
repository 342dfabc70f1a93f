//! Random moments, repeatable by their seed.

use std::time::Duration;

/// Numbers by chance. Source: xorshift64, Marsaglia 2003.
pub(super) struct Chance(u64);

impl Chance {
    /// A new seed, printed so that a failure can be repeated with [`Chance::seeded`].
    pub(super) fn new() -> Self {
        let seed = u64::from_le_bytes(annals::message::EventId::new().uuid().as_bytes()[8..].try_into().unwrap());
        println!("seed {seed}");
        Self::seeded(seed)
    }

    pub(super) fn seeded(seed: u64) -> Self {
        Self(seed.max(1))
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    pub(super) fn moment(&mut self, within: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(within.as_micros()).unwrap().max(1)))
    }
}
