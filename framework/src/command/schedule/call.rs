//! A command about to be scheduled.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::command::error::CommandFailure;
use crate::message::{Command, CommandId, Metadata, SagaId, Timestamp};
use crate::store::{Effect, LimitError, Limits, StoreError, StoreTransaction};

use super::SCHEDULED;
use super::scheduler::Scheduler;

/// A command about to be scheduled: await it, after saying when it is to be sent. Without an instant it is sent as soon as
/// it is stored.
#[must_use = "a command is scheduled when the call is awaited"]
pub struct ScheduleCall<C> {
    scheduler: Scheduler,
    command: C,
    id: CommandId,
    metadata: Metadata,
    due: Timestamp,
}

impl<C: Command> ScheduleCall<C> {
    pub(super) fn new(scheduler: Scheduler, command: C) -> Self {
        let (metadata, due) = (scheduler.carried.clone(), scheduler.journal.now());
        Self { scheduler, command, id: CommandId::new(), metadata, due }
    }

    /// Sends it at `instant` or after, never earlier.
    pub fn at(mut self, instant: Timestamp) -> Self {
        self.due = instant;
        self
    }

    /// Sends it when `duration` has passed from now, by the clock of the application.
    pub fn after(mut self, duration: Duration) -> Self {
        self.due = self.scheduler.journal.now().plus(duration);
        self
    }

    /// Schedules under this id, in place of a command that waits under it already. It is also the id under which the command
    /// is sent: if one was executed under it before, nothing is executed again.
    pub fn id(mut self, id: CommandId) -> Self {
        self.id = id;
        self
    }

    /// Carries `value` under `key`.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key, value);
        self
    }

    /// Schedules in the transaction of an event handler: the command is sent if that commits, and only then.
    ///
    /// # Errors
    /// [`CommandFailure`] when the command cannot be encoded or is too large, or the store does not answer.
    pub async fn within(self, transaction: &mut dyn StoreTransaction) -> Result<CommandId, CommandFailure> {
        let id = self.id;
        let (scheduler, effect) = self.into_effect()?;
        transaction.add_effects(vec![effect]).await?;
        // It may not be committed when the dispatcher looks; it looks again by itself.
        scheduler.wake.notify_one();
        Ok(id)
    }

    async fn store(self) -> Result<CommandId, CommandFailure> {
        if crate::store::is_held() {
            let reason = format!(
                "`{}` was scheduled by a task that holds a transaction, and would wait for it: schedule it with \
                 `.within(transaction)`",
                C::NAME
            );
            return Err(CommandFailure::Refused { reason });
        }
        let id = self.id;
        let (scheduler, effect) = self.into_effect()?;
        let mut transaction = scheduler.journal.store().begin().await?;
        transaction.add_effects(vec![effect]).await?;
        transaction.commit().await?;
        scheduler.wake.notify_one();
        Ok(id)
    }

    pub(crate) fn into_effect(self) -> Result<(Scheduler, Effect), CommandFailure> {
        let Self { scheduler, command, id, mut metadata, due } = self;
        scheduler.check(C::NAME)?;
        let payload = scheduler
            .journal
            .payloads()
            .encode(&command)
            .map_err(|source| CommandFailure::Codec { name: C::NAME.to_owned(), source })?;
        metadata.correlate(id);
        admit(C::NAME, &payload, &metadata)?;
        let effect = Effect {
            tenant: scheduler.journal.tenant().to_owned(),
            command: id,
            saga: SCHEDULED.to_owned(),
            // Each is an instance of its own, so that none waits for another.
            saga_id: SagaId::from(id.uuid()),
            number: 1,
            name: C::NAME.to_owned(),
            payload,
            metadata: Effect::metadata_at(C::REVISION, &metadata),
            step: None,
            attempts: 0,
            not_before: due,
            parked: None,
        };
        Ok((scheduler, effect))
    }
}

/// Holds a command to the limits of an event.
fn admit(name: &str, payload: &[u8], metadata: &Metadata) -> Result<(), StoreError> {
    let limits = Limits::default();
    let carried: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    for (what, actual, limit) in
        [("payload", payload.len(), limits.payload_bytes), ("metadata", carried, limits.metadata_bytes)]
    {
        if actual > limit {
            return Err(LimitError { what: format!("the {what} of `{name}`"), actual, limit, unit: "bytes" }.into());
        }
    }
    Ok(())
}

impl<C: Command> IntoFuture for ScheduleCall<C> {
    type Output = Result<CommandId, CommandFailure>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.store())
    }
}

impl<C: Command> fmt::Debug for ScheduleCall<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduleCall").field("command", &C::NAME).field("id", &self.id).field("due", &self.due).finish()
    }
}
