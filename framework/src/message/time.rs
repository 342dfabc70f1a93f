//! Time: instants, and the clock that they come from.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 9999-12-30T22:00:00Z, in microseconds since 1970: a later instant is in the year 10000 somewhere, and has no text by RFC 3339.
const LATEST: i64 = 253_402_207_200_000_000;

/// An instant. Unit: microseconds since 1970-01-01T00:00:00Z; written as RFC 3339 text.
///
/// ```
/// # use annals::Timestamp;
/// let noon: Timestamp = "2026-11-21T12:00:00Z".parse()?;
/// assert_eq!(noon.to_string(), "2026-11-21T12:00:00Z");
/// # Ok::<(), annals::message::ParseTimestampError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// A text is no RFC 3339 instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no instant such as `2026-11-21T12:00:00Z`")]
pub struct ParseTimestampError {
    text: String,
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// The instant this many microseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The instant `duration` later; at most 9999-12-30T22:00:00Z, the last that can be written in every time zone.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let later = self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX));
        Self(later.min(LATEST.max(self.0)))
    }

    /// This instant earlier by `duration`; it stops at the earliest instant there is.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(instant) => instant.fmt(f),
            Err(_) => write!(f, "{} µs", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>()
            .map(|instant| Self(instant.as_microsecond()))
            .map_err(|_| ParseTimestampError { text: text.to_owned() })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Where instants come from, and how the framework waits. Tests put a `TestClock` in its place.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// Returns when the present instant is `instant` or later, never earlier.
    async fn sleep_until(&self, instant: Timestamp);

    /// Returns after `duration`.
    async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.now().plus(duration)).await;
    }
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one module that asks the machine for the time")]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    async fn sleep_until(&self, instant: Timestamp) {
        // The wall clock may be set back while we sleep: look again before returning.
        loop {
            let now = self.now();
            if now >= instant {
                return;
            }
            tokio::time::sleep(instant.since(now).min(Duration::from_secs(60))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Clock, SystemClock, Timestamp};

    #[test]
    fn an_instant_is_written_as_it_is_read() {
        for micros in [0, 1, -1, 1_767_268_800_000_000, 1_767_268_800_123_456, -62_135_596_800_000_000] {
            let instant = Timestamp::from_micros(micros);
            assert_eq!(instant.to_string().parse(), Ok(instant));
            let json = serde_json::to_string(&instant).unwrap();
            assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), instant);
        }
        assert_eq!(Timestamp::from_micros(1_500_000).to_string(), "1970-01-01T00:00:01.5Z");
    }

    #[test]
    fn other_time_zones_are_the_same_instant() {
        assert_eq!("2026-01-01T13:00:00+01:00".parse::<Timestamp>(), "2026-01-01T12:00:00Z".parse());
    }

    #[test]
    fn what_is_no_instant_is_named() {
        for text in ["", "noon", "2026-01-01", "2026-13-01T00:00:00Z"] {
            let error = text.parse::<Timestamp>().unwrap_err();
            assert_eq!(error.to_string(), format!("`{text}` is no instant such as `2026-11-21T12:00:00Z`"));
        }
        assert!(serde_json::from_str::<Timestamp>("\"noon\"").is_err());
    }

    #[test]
    fn arithmetic_stays_inside_what_can_be_expressed() {
        let (first, last) = (Timestamp::from_micros(i64::MIN), Timestamp::from_micros(i64::MAX));
        assert_eq!(last.plus(Duration::from_secs(1)), last);
        assert_eq!(Timestamp::EPOCH.plus(Duration::MAX).to_string(), "9999-12-30T22:00:00Z", "the last with a text");
        assert_eq!(last.since(first), Duration::from_micros(i64::MAX.unsigned_abs()));
        assert_eq!(first.since(last), Duration::ZERO);
        assert_eq!(last.to_string(), format!("{} µs", i64::MAX));
    }

    #[tokio::test]
    async fn the_clock_of_the_machine_never_wakes_too_early() {
        let clock = SystemClock;
        let due = clock.now().plus(Duration::from_micros(1_500));
        clock.sleep_until(due).await;
        assert!(clock.now() >= due);
        clock.sleep_until(Timestamp::EPOCH).await;
    }
}
