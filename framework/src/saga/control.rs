//! Looking after sagas that need attention.

use crate::message::SagaId;
use crate::store::{Effect, Journal, StoreError};

/// Effects looked at for one saga.
const MANY: usize = 100_000;

/// The sagas of an application: `app.sagas()`.
#[derive(Debug, Clone)]
pub struct SagasHandle {
    journal: Journal,
    names: Vec<&'static str>,
}

/// A command of a saga that was given up. It holds back the later commands of its instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedCommand {
    /// Stored name of the saga.
    pub saga: String,
    /// The instance.
    pub instance: SagaId,
    /// Stored name of the command.
    pub command: String,
    /// Why it was given up.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    effect: Effect,
}

impl SagasHandle {
    pub(crate) fn new(journal: Journal, names: Vec<&'static str>) -> Self {
        Self { journal, names }
    }

    /// The commands that need attention, by saga and in the order in which they were decided on.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn parked(&self) -> Result<Vec<ParkedCommand>, StoreError> {
        let mut all = Vec::new();
        for saga in &self.names {
            let open = self.journal.store().open_effects(self.journal.tenant(), saga, MANY).await?;
            all.extend(open.into_iter().filter_map(|effect| {
                Some(ParkedCommand {
                    saga: effect.saga.clone(),
                    instance: effect.saga_id,
                    command: effect.name.clone(),
                    reason: effect.parked.clone()?,
                    attempts: effect.attempts,
                    effect,
                })
            }));
        }
        Ok(all)
    }

    /// Sends a parked command again, under its old id, as if for the first time. The dispatcher finds it within a second.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn retry(&self, parked: &ParkedCommand) -> Result<(), StoreError> {
        let mut transaction = self.journal.store().begin().await?;
        transaction.postpone_effect(&parked.effect.tenant, parked.effect.command, 0, Ok(self.journal.now())).await?;
        transaction.commit().await
    }

    /// Gives a parked command up for good. The saga learns nothing of it, and its later commands go out.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn give_up(&self, parked: &ParkedCommand) -> Result<(), StoreError> {
        let mut transaction = self.journal.store().begin().await?;
        transaction.finish_effects(&parked.effect.tenant, &[parked.effect.command]).await?;
        transaction.commit().await
    }
}
