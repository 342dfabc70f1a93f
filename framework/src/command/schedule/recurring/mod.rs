//! Commands that are sent again and again, at the times of a cron expression.
//!
//! A recurring schedule is a document of its own. The node that sends what is scheduled looks at these documents, and turns
//! each time that has come into a scheduled command; both commit together. The id of that command is derived from the schedule
//! and the instant, so that nobody sends it twice.

mod cron;
mod error;
mod handle;
mod row;
mod runs;

use std::fmt;

use crate::aggregate::Awaited;
use crate::message::{Command, Metadata, Timestamp};

pub use error::RecurringError;
pub use handle::RecurringHandle;

pub(crate) use cron::Cron;
pub(crate) use handle::declare;
pub(super) use runs::Runs;

/// A command that is to be sent again and again.
///
/// The expression has five fields: minute, hour, day of the month, month, day of the week (`0` or `7` is Sunday); with six the
/// first one is the second. Fields are numbers or the English names of months and days, lists (`1,15`), ranges (`MON-FRI`),
/// steps (`*/15`), `L` for the last and `#` for the nth day of the week in the month. Where both a day of the month and one of
/// the week are given, either will do.
///
/// The times are those of a zone, by default UTC. When its clocks go forward, a time that the night leaves out comes right after
/// the gap; when they go back, a time that comes twice counts once. Schedules with a `*` or a step in the minute or the hour go
/// on with the clock instead: every quarter of an hour stays every quarter of an hour.
///
/// ```
/// use annals::command::{Missed, Recurring};
/// # use annals::prelude::*;
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "report.write")] struct WriteReport {}
///
/// let nightly = Recurring::new("nightly-report", "0 3 * * *", WriteReport {}).zone("Europe/Berlin").missed(Missed::All);
/// let builder = Annals::builder().recurring(nightly);
/// ```
#[must_use = "it is declared in the builder, or added by `scheduler.recurring()`"]
pub struct Recurring {
    pub(super) name: String,
    pub(super) cron: String,
    pub(super) zone: String,
    pub(super) missed: Missed,
    pub(super) metadata: Metadata,
    pub(super) command: Box<dyn Awaited>,
}

/// What becomes of times that came while no node was there to send anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Missed {
    /// They are made up for by one command, that of the last of them.
    #[default]
    One,
    /// Each is made up for.
    All,
    /// They are left out: what is later than [`Missed::LATE`] is not sent.
    None,
}

impl Missed {
    /// So late a time may be turned into its command and still counts as met: one minute.
    pub const LATE: std::time::Duration = std::time::Duration::from_secs(60);
}

/// A recurring schedule as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecurringSchedule {
    /// Its name.
    pub name: String,
    /// The cron expression.
    pub cron: String,
    /// The time zone.
    pub zone: String,
    /// What becomes of times that were missed.
    pub missed: Missed,
    /// Stored name of the command.
    pub command: String,
    /// What the command carries.
    pub metadata: Metadata,
    /// When it is sent next; `None` if no time is left, or while it is paused.
    pub due: Option<Timestamp>,
    /// The last time that was turned into a command.
    pub last: Option<Timestamp>,
    /// Whether it is paused.
    pub paused: bool,
}

impl Recurring {
    /// Key of the metadata under which the command carries the name of its schedule.
    pub const SCHEDULE: &'static str = "schedule";
    /// Key of the metadata under which the command carries the time that it is for.
    pub const TIME: &'static str = "schedule-time";

    /// Sends `command` at the times of the expression `cron`, in UTC.
    pub fn new<C: Command>(name: impl Into<String>, cron: impl Into<String>, command: C) -> Self {
        Self {
            name: name.into(),
            cron: cron.into(),
            zone: "UTC".to_owned(),
            missed: Missed::default(),
            metadata: Metadata::new(),
            command: Box::new(command),
        }
    }

    /// The times are those of this zone, such as `Europe/Berlin`.
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = zone.into();
        self
    }

    /// What becomes of times that came while no node was there. Default: [`Missed::One`].
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// Carries `value` under `key`.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key, value);
        self
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Stored name of the command.
    pub(crate) fn command(&self) -> &'static str {
        self.command.name()
    }

    /// The times.
    ///
    /// # Errors
    /// When the expression or the zone cannot be read, or no time ever comes.
    pub(crate) fn times(&self) -> Result<Cron, RecurringError> {
        Cron::parse(&self.name, &self.cron, &self.zone)
    }
}

/// What the commands of a schedule belong to, beside other scopes.
pub(super) fn scope_of(name: &str) -> String {
    format!("recurring:{name}")
}

impl fmt::Debug for Recurring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recurring")
            .field("name", &self.name)
            .field("cron", &self.cron)
            .field("zone", &self.zone)
            .field("command", &self.command.name())
            .finish_non_exhaustive()
    }
}
