//! A rate limit.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};
use tokio::time::Instant;

use crate::command::error::CommandFailure;
use crate::command::interceptor::{CommandInterceptor, Next};
use crate::command::message::{CommandMessage, CommandResult};

/// Senders that are told apart at most; those beyond share one limit.
const KEYS: usize = 100_000;
/// Commands after which senders that were quiet for long are forgotten.
const TIDIED_AFTER: usize = 4_096;

/// Lets so many commands through in a second, of all senders together or of each one; others are refused at once
/// ([`CommandFailure::RateLimited`]), with the time after which the next one is let through.
///
/// It is a token bucket: as many as fit the burst may come at once. All clones are one limit; it holds on this node.
///
/// ```
/// use std::num::NonZeroU32;
/// use annals::command::interceptors::RateLimit;
///
/// // Each user may send 10 commands a second, and 50 at once.
/// let (rate, burst) = (NonZeroU32::new(10).unwrap(), NonZeroU32::new(50).unwrap());
/// let limit = RateLimit::per_second(rate).burst(burst).for_each("user");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct RateLimit {
    quota: Quota,
    key: Option<Arc<str>>,
    buckets: Arc<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    /// Of all, or of those who are not told apart.
    common: RateLimiter<NotKeyed, InMemoryState, SinceStart, NoOpMiddleware<Nanos>>,
    of_each: RateLimiter<String, HashMapStateStore<String>, SinceStart, NoOpMiddleware<Nanos>>,
    until_tidied: AtomicUsize,
}

impl RateLimit {
    /// So many commands in a second, and as many at once.
    pub fn per_second(rate: NonZeroU32) -> Self {
        Self::of(Quota::per_second(rate), None)
    }

    /// So many commands at once, when none came for a while.
    pub fn burst(self, burst: NonZeroU32) -> Self {
        Self::of(self.quota.allow_burst(burst), self.key)
    }

    /// The limit is that of each sender by itself, by what the metadata has under this key. Commands without it share one.
    pub fn for_each(self, metadata_key: impl Into<String>) -> Self {
        Self::of(self.quota, Some(metadata_key.into().into()))
    }

    fn of(quota: Quota, key: Option<Arc<str>>) -> Self {
        let clock = SinceStart(Instant::now());
        let buckets = Buckets {
            common: RateLimiter::new(quota, InMemoryState::default(), clock),
            of_each: RateLimiter::new(quota, HashMapStateStore::default(), clock),
            until_tidied: AtomicUsize::new(TIDIED_AFTER),
        };
        Self { quota, key, buckets: Arc::new(buckets) }
    }

    /// How long until a command may pass, if it may not now.
    fn check(&self, command: &CommandMessage) -> Result<(), Duration> {
        let buckets = &*self.buckets;
        let wait = |not: NotUntil<Nanos>| not.wait_time_from(buckets.common.clock().now());
        let sender = self.key.as_deref().and_then(|key| command.metadata.get(key));
        match sender {
            Some(sender) if buckets.has_room() => buckets.of_each.check_key(&sender.to_owned()).map_err(wait),
            _ => buckets.common.check().map_err(wait),
        }
    }
}

impl Buckets {
    /// Whether one more sender can be told apart.
    fn has_room(&self) -> bool {
        if self.until_tidied.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.of_each.retain_recent();
            self.of_each.shrink_to_fit();
            self.until_tidied.store(TIDIED_AFTER, Ordering::Relaxed);
        }
        self.of_each.len() < KEYS
    }
}

#[async_trait]
impl CommandInterceptor for RateLimit {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        match self.check(&command) {
            Ok(()) => next.run(command).await,
            Err(again_in) => Err(CommandFailure::RateLimited { command: command.name.to_owned(), again_in }.into()),
        }
    }
}

/// The time of the runtime, so that a test can stop it.
#[derive(Debug, Clone, Copy)]
struct SinceStart(Instant);

impl Clock for SinceStart {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}
