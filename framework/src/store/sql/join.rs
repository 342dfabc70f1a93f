//! Appends at the end of a transaction, and transactions of callers, once for every SQL backend.

use std::any::Any;

use sqlx::{Database, Transaction};
use tokio::sync::watch;

use crate::message::Position;
use crate::store::append::{Append, Appended};
use crate::store::described;
use crate::store::error::{AppendError, BoxError, StoreError};
use crate::store::limits::Limits;
use crate::store::transaction::StoreTransaction;

use super::append::raise;
use super::store::SqlStore;
use super::transaction::SqlTransaction;

/// What an append at the end of a transaction takes from its store.
#[derive(Debug, Clone)]
pub(crate) struct Appending {
    pub(crate) limits: Limits,
    pub(crate) appended: watch::Sender<Position>,
}

/// Why a caller's transaction is not joined.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// What it is, and what to do.
    Refused { given: String, remedy: String },
    /// The database does not answer, or has ended it.
    Database(BoxError),
}

impl Unfit {
    /// A transaction of the same kind of database, but not of the place where the store lies.
    pub(crate) fn elsewhere(place: impl std::fmt::Display) -> Self {
        let remedy = "begin it on a connection to the store's own database";
        Self::Refused { given: format!("a transaction {place}"), remedy: remedy.to_owned() }
    }
}

impl From<BoxError> for Unfit {
    fn from(error: BoxError) -> Self {
        Self::Database(error)
    }
}

/// The transaction was committed or rolled back before its time. Each statement behind it would commit by itself, so none is
/// run.
#[derive(Debug, thiserror::Error)]
#[error("the transaction has ended already, before the events came")]
pub(crate) struct Ended(#[source] pub(crate) BoxError);

/// Makes a caller's transaction one of `store`.
pub(super) async fn join<S: SqlStore>(
    store: &S,
    transaction: Box<dyn Any + Send>,
) -> Result<Box<dyn StoreTransaction>, StoreError> {
    let refused = |given, remedy| StoreError::NotJoined { store: store.place(), given, remedy };
    let transaction = match transaction.downcast::<Transaction<'static, S::Database>>() {
        Ok(transaction) => *transaction,
        Err(other) => {
            let kind = <S::Database as Database>::NAME;
            let remedy = format!("begin a transaction of {kind} on the store's own database");
            return Err(refused(described(&*other).to_owned(), remedy));
        }
    };
    if store.handle().batcher.is_closed() {
        return Err(StoreError::unavailable("the store is closed"));
    }
    match store.joined(transaction).await {
        Ok(joined) => Ok(Box::new(joined)),
        Err(Unfit::Refused { given, remedy }) => Err(refused(given, remedy)),
        Err(Unfit::Database(source)) => Err(StoreError::Unavailable { source }),
    }
}

/// Commits `transaction` together with `append`, in a task of its own: a caller may stop polling, and would then hold the
/// append lock for as long as it likes.
pub(super) async fn commit_with<T: SqlTransaction>(transaction: T, append: Append) -> Result<Appended, AppendError> {
    let answer = tokio::spawn(commit(transaction, append)).await;
    answer.unwrap_or_else(|_| Err(AppendError::OutcomeUnknown { source: "the task that commits has stopped".into() }))
}

async fn commit<T: SqlTransaction>(mut transaction: T, append: Append) -> Result<Appended, AppendError> {
    let batch = [append];
    match store(&mut transaction, &batch).await {
        Ok(appended) if !appended.repeated => {
            let signal = transaction.appending().appended.clone();
            transaction.finish().await.map_err(super::Failure::answer)?;
            raise(&signal, appended.position);
            Ok(appended)
        }
        other => {
            if let Err(error) = transaction.undo().await {
                tracing::debug!(%error, "a transaction could not be rolled back; the database does so when it notices");
            }
            other
        }
    }
}

/// Writes what `batch` brings, but for the commit.
async fn store<T: SqlTransaction>(transaction: &mut T, batch: &[Append; 1]) -> Result<Appended, AppendError> {
    transaction.appending().limits.admit(&batch[0])?;
    transaction.lock_appends().await.map_err(|error| T::failure(error).answer())?;
    let mut plan = transaction.prepare(batch).await.map_err(|error| T::failure(error).answer())?;
    plan.answers.pop().unwrap_or_else(|| Err(AppendError::Unavailable { source: "the append got no answer".into() }))
}
