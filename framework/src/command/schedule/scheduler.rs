//! Schedules commands, and looks after those that wait.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::command::error::CommandFailure;
use crate::handler::{Context, ContextError, FromContext, Requirement};
use crate::message::{Command, CommandId, Metadata, Timestamp};
use crate::store::{Effect, Journal, StoreError};

use super::SCHEDULED;
use super::call::ScheduleCall;

/// Scheduled commands that are listed at once.
const MANY: usize = 100_000;

/// Schedules commands: `app.scheduler()`, or a parameter of a handler outside aggregates or of an event handler. What a
/// handler schedules carries on the correlation of the message that is handled.
#[derive(Clone)]
pub struct Scheduler {
    pub(super) journal: Journal,
    /// Raised when there may be a new command.
    pub(super) wake: Arc<Notify>,
    pub(super) carried: Metadata,
    /// The commands that are handled in this application.
    known: Arc<HashSet<&'static str>>,
}

/// A command that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledCommand {
    /// Its id, now and when it is sent.
    pub id: CommandId,
    /// Its stored name.
    pub command: String,
    /// When it is sent, or tried again.
    pub due: Timestamp,
    /// How often it was tried without success.
    pub attempts: u32,
    /// Why it was given up, if it was: it then waits for [`Scheduler::reschedule`] or [`Scheduler::cancel`].
    pub parked: Option<String>,
    /// What it carries.
    pub metadata: Metadata,
}

impl Scheduler {
    pub(crate) fn new(journal: Journal, known: HashSet<&'static str>) -> Self {
        Self { journal, wake: Arc::default(), carried: Metadata::new(), known: Arc::new(known) }
    }

    pub(crate) fn wake(&self) -> &Arc<Notify> {
        &self.wake
    }

    /// Schedules `command`; say when, and await the call. It gives the id of the command.
    ///
    /// # Errors
    /// [`CommandFailure::NoHandler`] when nobody handles it, [`CommandFailure::Codec`] when it cannot be encoded,
    /// [`CommandFailure::Store`] when the store does not answer or the command is too large.
    pub fn schedule<C: Command>(&self, command: C) -> ScheduleCall<C> {
        ScheduleCall::new(self.clone(), command)
    }

    /// The commands that wait, in the order of their instants.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list(&self) -> Result<Vec<ScheduledCommand>, StoreError> {
        let open = self.journal.store().open_effects(self.journal.tenant(), SCHEDULED, MANY).await?;
        let scheduled = open.into_iter().map(|effect| ScheduledCommand {
            id: effect.command,
            command: effect.name,
            due: effect.not_before,
            attempts: effect.attempts,
            parked: effect.parked,
            metadata: effect.metadata.without(Effect::REVISION),
        });
        let mut scheduled: Vec<_> = scheduled.collect();
        scheduled.sort_by_key(|command| (command.due, command.id));
        Ok(scheduled)
    }

    /// Takes a command back; returns whether it was still waiting. One that is just being sent counts as waiting and may be
    /// executed all the same.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn cancel(&self, id: CommandId) -> Result<bool, StoreError> {
        let mut transaction = self.journal.store().begin().await?;
        let found = transaction.finish_effects(self.journal.tenant(), &[id]).await? > 0;
        transaction.commit().await?;
        Ok(found)
    }

    /// Moves a command to another instant, also one that was given up; returns whether it was still waiting. One that is just
    /// being sent may be executed all the same, and then not again.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn reschedule(&self, id: CommandId, instant: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = self.journal.store().begin().await?;
        let found = transaction.postpone_effect(self.journal.tenant(), id, 0, Ok(instant)).await?;
        transaction.commit().await?;
        self.wake.notify_one();
        Ok(found)
    }

    /// Whether somebody handles `command`.
    pub(super) fn check(&self, command: &'static str) -> Result<(), CommandFailure> {
        if self.known.contains(command) {
            return Ok(());
        }
        Err(CommandFailure::NoHandler { command: command.to_owned() })
    }
}

impl FromContext for Scheduler {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        let scheduler: &Self = context.reference()?;
        Ok(Self { carried: context.carried(), ..scheduler.clone() })
    }

    fn requirement() -> Requirement {
        Requirement::Scheduler
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scheduler")
    }
}
