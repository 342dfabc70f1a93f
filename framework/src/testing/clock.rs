//! A clock that stands still until a test moves it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::message::{Clock, Timestamp};

/// A clock that stands still until [`TestClock::advance`] or [`TestClock::set`]. Clones share the time.
#[derive(Debug, Clone)]
pub struct TestClock(Arc<watch::Sender<Timestamp>>);

impl TestClock {
    /// A clock that shows `instant`.
    #[must_use]
    pub fn at(instant: Timestamp) -> Self {
        Self(Arc::new(watch::Sender::new(instant)))
    }

    /// Moves the time on.
    pub fn advance(&self, duration: Duration) {
        self.0.send_modify(|now| *now = now.plus(duration));
    }

    /// Sets the time.
    pub fn set(&self, instant: Timestamp) {
        self.0.send_replace(instant);
    }
}

impl Default for TestClock {
    /// Noon of 2026-01-01.
    fn default() -> Self {
        Self::at(Timestamp::from_micros(1_767_268_800_000_000))
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    async fn sleep_until(&self, instant: Timestamp) {
        let mut time = self.0.subscribe();
        // The sender lives as long as the clock, so the wait cannot fail.
        let _ = time.wait_for(|now| *now >= instant).await;
    }
}
