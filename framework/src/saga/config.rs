//! Settings of sagas and workflows.

use std::time::Duration;

use crate::message::Timestamp;
use crate::processor::SettingError;

/// The shortest retention, and the shortest time between two counts.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest time between two looks for instances that have stayed long enough.
const LOOKING: Duration = Duration::from_secs(3600);

/// Settings of sagas and workflows: of all of them with [`Builder::sagas`](crate::app::Builder::sagas), of one with
/// [`Builder::saga`](crate::app::Builder::saga).
///
/// ```
/// use std::time::Duration;
/// use annals::Annals;
/// use annals::saga::SagaRetention;
///
/// let builder = Annals::builder().sagas(|all| all.retention = SagaRetention::For(Duration::from_secs(90 * 24 * 3600)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SagaConfig {
    /// How long instances that have ended stay. Default: for ever. `#[saga(retention = "30d")]` says it for one saga.
    pub retention: SagaRetention,
    /// How often running instances are counted for a [`SagaMonitor`](super::SagaMonitor), where there is one, by the clock of
    /// the application. Default 60 s; at least 1 s. A count reads one index entry or row of each instance that is stored, ended
    /// ones included: more often shows changes sooner, and costs more.
    pub counting: Duration,
}

/// How long instances of a saga or a workflow stay when they have ended, with their history.
///
/// They are removed by the node that has the first segment of the saga, in small transactions, by the clock of the application: those
/// of a retention of an hour or more within an hour after their time, others within twice their time. Never removed is an
/// instance that runs, one that needs attention, and one with an effect that is not done, such as a command that could not be
/// delivered. Say the same in all programs on one store.
///
/// ```
/// use annals::prelude::*;
/// use annals::saga::{Saga, SagaRetention};
///
/// #[derive(Saga, Serialize, Deserialize, Default, Clone)]
/// #[saga(name = "order-fulfilment", retention = "30d")]
/// struct Fulfilment {}
/// # #[saga_handlers] impl Fulfilment { #[begin] fn begin(&mut self) {} }
///
/// let month = std::time::Duration::from_secs(30 * 24 * 3600);
/// assert_eq!(Fulfilment::RETENTION, Some(SagaRetention::For(month)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SagaRetention {
    /// Until somebody removes them ([`SagaHandle::forget`](super::SagaHandle::forget)).
    #[default]
    Forever,
    /// So long after their end; at least 1 s.
    For(Duration),
}

impl Default for SagaConfig {
    fn default() -> Self {
        Self { retention: SagaRetention::Forever, counting: Duration::from_secs(60) }
    }
}

impl SagaConfig {
    /// The first setting that is outside of its limits.
    pub(crate) fn check(&self, saga: &str) -> Result<(), SettingError> {
        let retention = match self.retention {
            SagaRetention::Forever => SHORTEST,
            SagaRetention::For(retention) => retention,
        };
        let settings = [("retention", retention), ("counting", self.counting)];
        match settings.into_iter().find(|(_, value)| *value < SHORTEST) {
            None => Ok(()),
            Some((setting, value)) => {
                let value = format!("{value:?}");
                Err(SettingError { processor: saga.to_owned(), setting, value, limit: "at least 1s" })
            }
        }
    }
}

impl SagaRetention {
    /// Those that ended before this instant have stayed long enough at `now`; `None` where none ever has.
    pub(super) fn ended_before(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Forever => None,
            Self::For(retention) => Some(now.minus(retention)),
        }
    }

    /// The time between two looks.
    pub(super) fn interval(self) -> Duration {
        match self {
            Self::Forever => LOOKING,
            Self::For(retention) => retention.clamp(SHORTEST, LOOKING),
        }
    }
}
