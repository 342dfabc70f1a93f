//! Adds recurring schedules and looks after them.

use crate::command::error::CommandFailure;
use crate::command::schedule::scheduler::{Known, Scheduler};
use crate::message::CommandId;
use crate::store::{Journal, Limits, StoreError, StoreTransaction};

use super::error::RecurringError;
use super::row::{self, Row};
use super::{Recurring, RecurringSchedule};

/// Recurring schedules: `app.scheduler().recurring()`.
///
/// ```standalone_crate
/// use annals::command::Recurring;
/// use annals::prelude::*;
///
/// #[derive(Command, Serialize, Deserialize, Debug, Clone)]
/// #[command(name = "report.write")]
/// struct WriteReport {}
///
/// #[derive(Default)]
/// struct Reports;
///
/// #[command_handlers]
/// impl Reports {
///     #[handle]
///     async fn write(&self, command: WriteReport) -> Result<(), HandlerError> { Ok(()) }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let app = Annals::open("memory:").await?;
/// let recurring = app.scheduler().recurring();
/// recurring.add(Recurring::new("nightly-report", "0 3 * * *", WriteReport {})).await?;
/// recurring.pause("nightly-report").await.unwrap();
/// assert!(recurring.list().await.unwrap()[0].paused);
/// recurring.run_now("nightly-report").await.unwrap();
/// app.shutdown().await
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct RecurringHandle {
    pub(in crate::command::schedule) scheduler: Scheduler,
}

impl RecurringHandle {
    /// Adds a schedule, or changes the one of its name. If the times are the same as before it goes on where it stood; a paused
    /// one stays paused.
    ///
    /// # Errors
    /// [`RecurringError::Cron`], [`RecurringError::Zone`] and [`RecurringError::NoTime`] say what is wrong with it,
    /// [`RecurringError::Command`] that nobody handles its command.
    pub async fn add(&self, recurring: Recurring) -> Result<(), RecurringError> {
        put(self.journal(), &self.scheduler.known, &recurring).await?;
        self.scheduler.wake().notify_one();
        Ok(())
    }

    /// All schedules, in the order of their names.
    ///
    /// # Errors
    /// When the store does not answer, or one of them cannot be read.
    pub async fn list(&self) -> Result<Vec<RecurringSchedule>, RecurringError> {
        row::all(self.journal()).await?.into_iter().map(|row| Ok(row?.into())).collect()
    }

    /// Sends nothing until the schedule is resumed. What was turned into commands before is sent.
    ///
    /// # Errors
    /// [`RecurringError::NotFound`] when there is none of this name.
    pub async fn pause(&self, name: &str) -> Result<(), RecurringError> {
        self.change(name, |row| {
            row.paused = true;
            Ok(())
        })
        .await
    }

    /// Goes on with the next time from now. Times that came while it was paused are not made up for.
    ///
    /// # Errors
    /// [`RecurringError::NotFound`] when there is none of this name.
    pub async fn resume(&self, name: &str) -> Result<(), RecurringError> {
        let now = self.journal().now();
        self.change(name, |row| {
            if std::mem::take(&mut row.paused) {
                row.due = row.times()?.next(now);
            }
            Ok(())
        })
        .await
    }

    /// Removes a schedule, also one that the builder declares: that comes back with the next start. What was turned into
    /// commands before is sent.
    ///
    /// # Errors
    /// [`RecurringError::NotFound`] when there is none of this name.
    pub async fn remove(&self, name: &str) -> Result<(), RecurringError> {
        let mut transaction = self.begin().await?;
        self.load(&mut *transaction, name).await?;
        row::remove(self.journal(), &mut *transaction, name).await?;
        Ok(transaction.commit().await?)
    }

    /// Sends the command of a schedule at once, also of a paused one. Its times stay as they are. It gives the id of the command.
    ///
    /// # Errors
    /// [`RecurringError::NotFound`] when there is none of this name.
    pub async fn run_now(&self, name: &str) -> Result<CommandId, RecurringError> {
        let mut transaction = self.begin().await?;
        let row = self.load(&mut *transaction, name).await?;
        let (id, now) = (CommandId::new(), self.journal().now());
        transaction.add_effects(vec![row.effect(self.journal().tenant(), id, now)]).await?;
        transaction.commit().await?;
        self.scheduler.wake().notify_one();
        Ok(id)
    }

    async fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut Row) -> Result<(), RecurringError> + Send,
    ) -> Result<(), RecurringError> {
        let mut transaction = self.begin().await?;
        let mut row = self.load(&mut *transaction, name).await?;
        change(&mut row)?;
        row::save(self.journal(), &mut *transaction, &row).await?;
        transaction.commit().await?;
        self.scheduler.wake().notify_one();
        Ok(())
    }

    async fn load(&self, transaction: &mut dyn StoreTransaction, name: &str) -> Result<Row, RecurringError> {
        let found = row::load(self.journal(), transaction, name).await?;
        found.ok_or_else(|| RecurringError::NotFound { name: name.to_owned() })
    }

    async fn begin(&self) -> Result<Box<dyn StoreTransaction>, StoreError> {
        self.journal().store().begin().await
    }

    fn journal(&self) -> &Journal {
        &self.scheduler.journal
    }
}

/// Adds a schedule that is declared, or changes the one of its name.
pub(crate) async fn declare(journal: &Journal, known: &Known, recurring: &Recurring) -> Result<(), RecurringError> {
    put(journal, known, recurring).await
}

async fn put(journal: &Journal, known: &Known, recurring: &Recurring) -> Result<(), RecurringError> {
    let command = &*recurring.command;
    known.check_command(command.name())?;
    let payload = command
        .encode(journal.payloads())
        .map_err(|source| CommandFailure::Codec { name: command.name().to_owned(), source })?;
    let row = Row::new(recurring, payload, journal.now())?;
    let limits = Limits::default();
    limits.check_document_key(&row.name).map_err(StoreError::from)?;
    limits.check_effect(&row.run(journal.tenant(), journal.now())).map_err(StoreError::from)?;
    let mut transaction = journal.store().begin().await?;
    let row = match row::load(journal, &mut *transaction, &row.name).await? {
        Some(before) if before.clone() == row.clone().in_place_of(&before) => return Ok(()),
        Some(before) => row.in_place_of(&before),
        None => row,
    };
    row::save(journal, &mut *transaction, &row).await?;
    Ok(transaction.commit().await?)
}
