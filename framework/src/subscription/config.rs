//! Settings of subscriptions and of their consumers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::message::{Position, Timestamp};

use super::error::SettingError;
use super::filter::Filter;

/// What a subscription gives, and how. It is stored with the subscription and holds for all of its consumers, on all nodes.
///
/// ```
/// use std::time::Duration;
/// use annals::subscription::{Filter, Start, Strategy, SubscriptionConfig};
///
/// let mut config = SubscriptionConfig::of(Filter::names(["order.placed"]));
/// config.start = Start::Newest;
/// config.strategy = Strategy::PinnedByStream;
/// config.message_time = Duration::from_secs(5);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SubscriptionConfig {
    /// Which events. Default: all.
    pub filter: Filter,
    /// Where a new subscription begins. A change of the settings moves nothing. Default [`Start::Oldest`].
    pub start: Start,
    /// Which consumer gets which event. Default [`Strategy::RoundRobin`].
    pub strategy: Strategy,
    /// How long a consumer may take for one event, from the moment at which the database gives it out; then it is given to
    /// another. Default 30 s; 10 ms to 24 h. Less finds a consumer that hangs sooner; more spares slow ones repeats. Events
    /// in a consumer's [`buffer`](ConsumerConfig::buffer) are on the clock as well.
    pub message_time: Duration,
    /// How often an event is tried again after it has failed, before it is parked. Default 10, so that it is given out 11
    /// times.
    pub retries: u32,
    /// The pause before the first retry; it doubles each time. Default 100 ms, at most 24 h. 0 is at once.
    pub pause: Duration,
    /// The longest pause before a retry. Default 10 s, at most 24 h.
    pub longest_pause: Duration,
    /// Events that are out or wait, all consumers together; no more are taken from the log meanwhile. Default 500; 1 to
    /// 10,000. They are looked through in each transaction: more costs time there, and lets more consumers work side by
    /// side.
    pub in_flight: usize,
    /// Consumers at the same time, those that stand by included. Default 100; 1 to 1,000.
    pub consumers: usize,
    /// A consumer that is not heard of for so long counts as gone, and its events are given to others. Default 10 s;
    /// 1 s to 24 h. One that ends in an orderly way is gone at once.
    pub consumer_time: Duration,
}

/// Where a new subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Start {
    /// With the oldest event.
    #[default]
    Oldest,
    /// With what is appended from now on.
    Newest,
    /// With the event after this position.
    After(Position),
    /// With the first event that was recorded at this instant or later, by the clock of the node that wrote it.
    Since(Timestamp),
}

/// Which consumer gets which event. All of them promise at least once; none but the pinned ones promises an order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Strategy {
    /// Whoever has room gets the next.
    #[default]
    RoundRobin,
    /// One consumer at a time gets everything, the one that has been there longest; the others stand by.
    Single,
    /// No two events of one stream are out at the same time, and they go out in the order of the stream. One that waits for
    /// its retry holds back those behind it; one that is parked does not.
    PinnedByStream,
    /// The same by the value of the first tag with this key; events without such a tag by their stream.
    PinnedByTag(String),
    /// The same by the correlation id; events without one by their stream.
    PinnedByCorrelation,
}

/// Settings of one consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerConfig {
    /// What operators see in the list of consumers. Default empty; 1 KiB is kept.
    pub label: String,
    /// Events that the consumer holds without having answered them. Default 10; 1 to 10,000. Handle so many at the same
    /// time, or as many as are handled one after the other within
    /// [`message_time`](SubscriptionConfig::message_time).
    pub buffer: usize,
    /// How often the consumer looks for events of other processes, and for what others have left. Default 500 ms; 10 ms to
    /// 24 h. Events of this process wake it at once, on PostgreSQL those of others as well.
    pub poll: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MOMENT: Duration = Duration::from_millis(10);

impl SubscriptionConfig {
    /// The settings of a subscription to what passes `filter`, otherwise by default.
    #[must_use]
    pub fn of(filter: Filter) -> Self {
        Self { filter, ..Self::default() }
    }

    /// The pause before an event is given out again that was given out `attempts` times.
    pub(super) fn pause_after(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        self.pause.saturating_mul(1 << doublings).min(self.longest_pause)
    }

    pub(super) fn check(&self) -> Result<(), SettingError> {
        within("message_time", self.message_time, MOMENT, DAY)?;
        within("pause", self.pause, Duration::ZERO, DAY)?;
        within("longest_pause", self.longest_pause, Duration::ZERO, DAY)?;
        within("consumer_time", self.consumer_time, Duration::from_secs(1), DAY)?;
        within("in_flight", self.in_flight, 1, 10_000)?;
        within("consumers", self.consumers, 1, 1_000)
    }
}

impl Default for SubscriptionConfig {
    fn default() -> Self {
        Self {
            filter: Filter::all(),
            start: Start::Oldest,
            strategy: Strategy::RoundRobin,
            message_time: Duration::from_secs(30),
            retries: 10,
            pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
            in_flight: 500,
            consumers: 100,
            consumer_time: Duration::from_secs(10),
        }
    }
}

impl Strategy {
    /// Whether events of one sequence go out one after the other.
    pub(super) fn is_pinned(&self) -> bool {
        matches!(self, Self::PinnedByStream | Self::PinnedByTag(_) | Self::PinnedByCorrelation)
    }
}

impl ConsumerConfig {
    /// The defaults, under this label.
    #[must_use]
    pub fn labelled(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), SettingError> {
        within("buffer", self.buffer, 1, 10_000)?;
        within("poll", self.poll, MOMENT, DAY)
    }
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self { label: String::new(), buffer: 10, poll: Duration::from_millis(500) }
    }
}

fn within<T: PartialOrd + std::fmt::Debug>(
    setting: &'static str,
    given: T,
    least: T,
    most: T,
) -> Result<(), SettingError> {
    if (&least..=&most).contains(&&given) {
        return Ok(());
    }
    Err(SettingError { setting, given: format!("{given:?}"), allowed: format!("{least:?} to {most:?}") })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ConsumerConfig, SubscriptionConfig};

    #[test]
    fn pauses_double_up_to_the_longest() {
        let config = SubscriptionConfig { longest_pause: Duration::from_millis(350), ..Default::default() };
        let pauses: Vec<u128> = (1..=4).map(|attempts| config.pause_after(attempts).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 350, 350]);
        assert_eq!(config.pause_after(u32::MAX), config.longest_pause);
    }

    #[test]
    fn a_setting_out_of_its_range_is_named() {
        let none = SubscriptionConfig { in_flight: 0, ..Default::default() };
        assert_eq!(none.check().unwrap_err().to_string(), "`in_flight` is 0, expected 1 to 10000");
        let often = ConsumerConfig { poll: Duration::ZERO, ..Default::default() };
        assert_eq!(often.check().unwrap_err().to_string(), "`poll` is 0ns, expected 10ms to 86400s");
    }

    #[test]
    fn settings_are_read_as_they_were_written() {
        let config = SubscriptionConfig { retries: 3, ..Default::default() };
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<SubscriptionConfig>(&text).unwrap(), config);
        assert_eq!(serde_json::from_str::<SubscriptionConfig>("{}").unwrap(), SubscriptionConfig::default());
    }
}
