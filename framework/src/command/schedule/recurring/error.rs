//! Why a recurring schedule is not as was asked.

use crate::command::error::CommandFailure;
use crate::store::StoreError;
use crate::store::error::BoxError;

/// Why a recurring schedule is not as was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecurringError {
    /// The cron expression cannot be read.
    #[error(
        "the recurring schedule `{name}` has the cron expression `{cron}`, which cannot be read: {reason}; expected five \
         fields as in `0 3 * * MON-FRI` (minute, hour, day, month, day of the week), or six with a second before them"
    )]
    Cron {
        /// The schedule.
        name: String,
        /// The expression.
        cron: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The time zone is not known.
    #[error(
        "the recurring schedule `{name}` has the time zone `{zone}`, which is not known; expected one such as `Europe/Berlin`"
    )]
    Zone {
        /// The schedule.
        name: String,
        /// The zone.
        zone: String,
    },
    /// The expression can be read, and no such time ever comes.
    #[error("the recurring schedule `{name}` has the cron expression `{cron}`, and no such time ever comes")]
    NoTime {
        /// The schedule.
        name: String,
        /// The expression.
        cron: String,
    },
    /// There is no schedule of this name.
    #[error("there is no recurring schedule `{name}`")]
    NotFound {
        /// The name.
        name: String,
    },
    /// What is stored of the schedule cannot be read: a newer program has written it.
    #[error("what is stored of the recurring schedule `{name}` cannot be read")]
    Row {
        /// The schedule.
        name: String,
        /// Why.
        source: BoxError,
    },
    /// The command cannot be sent: nobody handles it, or it cannot be encoded.
    #[error(transparent)]
    Command(#[from] CommandFailure),
    /// The store does not answer, or something is too large.
    #[error(transparent)]
    Store(#[from] StoreError),
}
