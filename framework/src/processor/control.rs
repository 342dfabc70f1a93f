//! Looking at processors, and steering them.

use tokio::sync::oneshot;

use crate::message::Position;
use crate::store::{DeadLetter, LetterState, StoreError};

use super::error::ReplayError;
use super::progress::Processors;

/// The processors of an application: `app.processors()`.
#[derive(Debug, Clone)]
pub struct ProcessorsHandle {
    processors: Processors,
    journal: crate::store::Journal,
}

/// How one processor is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessorStatus {
    /// Its name.
    pub name: String,
    /// The newest position that it has handled.
    pub position: Position,
    /// The newest position in the store.
    pub head: Position,
    /// Whether this node runs it.
    pub runs_here: bool,
    /// Its dead letters, those that are tried again included.
    pub dead_letters: usize,
}

impl ProcessorsHandle {
    pub(crate) fn new(processors: Processors, journal: crate::store::Journal) -> Self {
        Self { processors, journal }
    }

    /// How all processors are doing, by name.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn status(&self) -> Result<Vec<ProcessorStatus>, StoreError> {
        let head = self.journal.store().head().await.map_err(StoreError::unavailable)?;
        let mut all = Vec::new();
        for (name, progress) in self.processors.iter() {
            let runs_here = progress.claim.borrow().is_some();
            let here = *progress.position.borrow();
            let stored = self.journal.store().token(self.journal.tenant(), name).await?.unwrap_or_default();
            let letters = self.dead_letters(name).await?;
            all.push(ProcessorStatus {
                name: name.to_owned(),
                position: if runs_here { here } else { stored },
                head,
                runs_here,
                dead_letters: letters.len(),
            });
        }
        Ok(all)
    }

    /// The dead letters of `processor`, oldest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn dead_letters(&self, processor: &str) -> Result<Vec<DeadLetter>, StoreError> {
        self.journal.store().dead_letters(self.journal.tenant(), processor, usize::from(u16::MAX)).await
    }

    /// Has a dead letter tried again at once, as if for the first time.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn retry(&self, letter: &DeadLetter) -> Result<(), StoreError> {
        let now = self.journal.now();
        let mut transaction = self.journal.store().begin().await?;
        transaction
            .update_letter(
                &letter.tenant,
                &letter.processor,
                letter.position,
                0,
                LetterState::Retrying(now),
                &letter.error,
            )
            .await?;
        transaction.commit().await?;
        self.wake(&letter.processor);
        Ok(())
    }

    /// Gives a dead letter up for good: the event is skipped, and its sequence goes on behind it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn evict(&self, letter: &DeadLetter) -> Result<bool, StoreError> {
        let mut transaction = self.journal.store().begin().await?;
        let evicted = transaction.remove_letter(&letter.tenant, &letter.processor, letter.position).await?;
        transaction.commit().await?;
        self.wake(&letter.processor);
        Ok(evicted)
    }

    /// Has `processor` forget what it wrote and handle all events again, from the oldest. Returns when the old rows are
    /// gone and the replay has begun.
    ///
    /// # Errors
    /// When its handlers have no `#[reset]`, or it does not run here.
    pub async fn replay(&self, processor: &str) -> Result<(), ReplayError> {
        let unknown = || ReplayError::Unknown { processor: processor.to_owned() };
        let not_running = || ReplayError::NotRunning { processor: processor.to_owned() };
        let progress = self.processors.get(processor).ok_or_else(unknown)?;
        if progress.claim.borrow().is_none() {
            return Err(not_running());
        }
        let (answer, answered) = oneshot::channel();
        progress.replays.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(answer);
        progress.wake.notify_one();
        answered.await.unwrap_or_else(|_| Err(not_running()))
    }

    fn wake(&self, processor: &str) {
        if let Some(progress) = self.processors.get(processor) {
            progress.wake.notify_one();
        }
    }
}
