//! Writes batches of appends: one transaction under the append lock, and one statement for each table that it touches.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::message::Position;
use crate::store::append::{Append, Appended};
use crate::store::batcher::BatchWriter;
use crate::store::error::{AppendError, BoxError};
use crate::store::plan::{Plan, plan};

use super::dialect::Dialect;
use super::session::Session;
use super::{facts, insert};

/// Gives transactions under the append lock of a database.
#[async_trait]
pub(crate) trait AppendLock: Send + Sync + 'static {
    /// A transaction that holds the lock. Dropping it rolls it back and lets go of the lock.
    type Locked: Session + Send + 'static;

    /// Takes the lock in a new transaction.
    async fn lock(&self) -> Result<Self::Locked, BoxError>;

    /// Commits and lets go of the lock.
    async fn commit(&self, locked: Self::Locked) -> Result<(), Failure>;

    /// Lets go of the lock without having written.
    async fn release(&self, locked: Self::Locked) {
        drop(locked);
    }

    /// What an error of a statement before the commit means.
    fn failure(&self, error: BoxError) -> Failure;

    /// What an error of [`AppendLock::lock`] means: nothing is refused for its rows there.
    fn unlocked(&self, error: BoxError) -> Failure {
        match self.failure(error) {
            Failure::Refused(error) => Failure::NotWritten(error),
            failure => failure,
        }
    }
}

/// Why a whole batch was not acknowledged.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The database did not get as far as the rows of this batch.
    NotWritten(BoxError),
    /// A row of the batch was refused, so that other appends of it may still be written. Nothing was written.
    Refused(BoxError),
    /// The database has no room left. Nothing was written.
    Full(BoxError),
    /// The database may only be read.
    ReadOnly(BoxError),
    /// The commit failed in a way that leaves open whether it has reached the disk.
    Unknown(BoxError),
}

/// Writes a batch in one commit.
#[async_trait]
pub(crate) trait Commit: Send + Sync + 'static {
    /// Writes those appends of `batch` whose expectations hold; one answer for each, in order.
    async fn commit(&self, batch: &[Append]) -> Result<Vec<Result<Appended, AppendError>>, Failure>;
}

/// Commits a batch; one that is refused is taken apart, so that an append does not take its neighbours along.
pub(crate) async fn write<C: Commit>(commit: &C, batch: &[Append]) -> Vec<Result<Appended, AppendError>> {
    match commit.commit(batch).await {
        Ok(answers) => answers,
        Err(Failure::Refused(error)) if batch.len() > 1 => {
            tracing::warn!(%error, appends = batch.len(), "a batch was refused; its appends are written one by one");
            let mut answers = Vec::with_capacity(batch.len());
            for append in batch.chunks(1) {
                answers.extend(match commit.commit(append).await {
                    Ok(answers) => answers,
                    Err(failure) => failure.answers(1),
                });
            }
            answers
        }
        Err(failure) => failure.answers(batch.len()),
    }
}

/// The part of a store that the batcher drives.
#[derive(Debug)]
pub(crate) struct Appender<L> {
    lock: L,
    dialect: &'static Dialect,
    appended: watch::Sender<Position>,
}

#[async_trait]
impl<L: AppendLock> BatchWriter for Appender<L> {
    async fn write(&self, batch: &[Append]) -> Vec<Result<Appended, AppendError>> {
        write(self, batch).await
    }
}

impl<L: AppendLock> Appender<L> {
    /// An appender that raises `appended` after each commit.
    pub(crate) fn new(lock: L, dialect: &'static Dialect, appended: watch::Sender<Position>) -> Self {
        Self { lock, dialect, appended }
    }
}

/// Plans `batch` under the append lock and writes the plan, but for the commit.
pub(super) async fn prepare<'a, S: Session + ?Sized>(
    locked: &mut S,
    dialect: &'static Dialect,
    batch: &'a [Append],
) -> Result<Plan<'a>, BoxError> {
    let facts = facts::of_batch(locked, dialect, batch).await?;
    let deleted = insert::deleted(&facts);
    let plan = plan(batch, facts);
    if !plan.is_empty() {
        insert::plan(locked, &dialect.statements, &plan, &deleted).await?;
    }
    Ok(plan)
}

/// Wakes who waits for `head`. Commits that overlap may come here in another order than that of their positions.
pub(crate) fn raise(appended: &watch::Sender<Position>, head: Position) {
    appended.send_if_modified(|seen| std::mem::replace(seen, head.max(*seen)) < head);
}

#[async_trait]
impl<L: AppendLock> Commit for Appender<L> {
    async fn commit(&self, batch: &[Append]) -> Result<Vec<Result<Appended, AppendError>>, Failure> {
        let mut locked = self.lock.lock().await.map_err(|error| self.lock.unlocked(error))?;
        match prepare(&mut locked, self.dialect, batch).await {
            Ok(plan) if plan.is_empty() => {
                self.lock.release(locked).await;
                Ok(plan.answers)
            }
            Ok(plan) => {
                self.lock.commit(locked).await?;
                if let Some((_, _, _, head)) = plan.events.last() {
                    raise(&self.appended, *head);
                }
                Ok(plan.answers)
            }
            Err(error) => {
                self.lock.release(locked).await;
                Err(self.lock.failure(error))
            }
        }
    }
}

impl Failure {
    /// The same answer for each of so many appends.
    pub(crate) fn answers(self, appends: usize) -> Vec<Result<Appended, AppendError>> {
        let (source, answer) = self.parts();
        let source = Arc::<dyn std::error::Error + Send + Sync>::from(source);
        (0..appends).map(|_| Err(answer(Box::new(SharedError(Arc::clone(&source)))))).collect()
    }

    /// The answer to a single append.
    pub(crate) fn answer(self) -> AppendError {
        let (source, answer) = self.parts();
        answer(source)
    }

    /// What the database said, and what that is for a caller.
    fn parts(self) -> (BoxError, fn(BoxError) -> AppendError) {
        match self {
            Self::NotWritten(source) | Self::Refused(source) => (source, |source| AppendError::Unavailable { source }),
            Self::Full(source) => (source, |source| AppendError::Full { source }),
            Self::ReadOnly(source) => (source, |source| AppendError::ReadOnly { source }),
            Self::Unknown(source) => (source, |source| AppendError::OutcomeUnknown { source }),
        }
    }
}

impl From<Failure> for BoxError {
    fn from(failure: Failure) -> Self {
        failure.parts().0
    }
}

/// One database error that several appends met.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct SharedError(Arc<dyn std::error::Error + Send + Sync>);
