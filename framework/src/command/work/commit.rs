//! How a unit of work ends.

use crate::aggregate::KeyChange;
use crate::message::{CommandId, Metadata, Position};
use crate::store::{Append, AppendError, Appended, CommandRecord, Conflict};

use super::{Hooks, Joined, UnitOfWork};
use crate::command::error::CommandFailure;
use crate::command::execute::Executor;

/// What errors call a unit of work that no command began.
const OF_A_CALLER: &str = "a unit of work";

/// Nothing of a unit is stored, or nobody knows.
pub(crate) struct NotStored {
    pub(crate) failure: CommandFailure,
    pub(crate) hooks: Hooks,
}

impl UnitOfWork {
    /// A unit that no command began.
    pub(crate) fn of_caller(executor: Executor, mut metadata: Metadata) -> Self {
        metadata.correlate(CommandId::new());
        Self::with(executor, metadata)
    }

    /// Everything that is decided in it from now on carries `value` under `key`.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key, value);
        self
    }

    /// Stores what was decided, for a unit of [`Annals::unit_of_work`](crate::Annals::unit_of_work); one of a handler is
    /// committed when the handler has returned `Ok`. Gives the position of the newest event that was stored or seen.
    ///
    /// It goes on when the caller goes away.
    ///
    /// # Errors
    /// [`CommandFailure::Conflict`] when what was read has changed meanwhile: begin again. When an action before the commit
    /// fails, a unique value is taken, or the store fails. What was to be done on roll-back is then done.
    pub async fn commit(mut self) -> Result<Position, CommandFailure> {
        if let Err(error) = self.run_before_commit().await {
            self.roll_back().await;
            return Err(CommandFailure::handler(OF_A_CALLER, error));
        }
        match self.store(OF_A_CALLER, |_| None).await {
            Ok(position) => Ok(position),
            Err(NotStored { failure, hooks }) => {
                hooks.rolled_back().await;
                Err(match failure.into_conflict() {
                    Ok(source) => CommandFailure::Conflict { attempts: 1, source },
                    Err(failure) => failure,
                })
            }
        }
    }

    /// Stores nothing, and does what was to be done on roll-back. A unit that is dropped stores nothing either.
    pub async fn roll_back(self) {
        let Self { hooks, joined, .. } = self;
        drop(joined);
        hooks.rolled_back().await;
    }

    /// Stores what was decided with the record that `record` makes from the newest position that was seen, and does what
    /// was to be done afterwards. It goes on when the caller goes away.
    pub(crate) async fn store(
        self,
        name: &str,
        record: impl FnOnce(Position) -> Option<CommandRecord>,
    ) -> Result<Position, NotStored> {
        let Self { executor, draft, hooks, joined, .. } = self;
        let command = record(draft.position());
        if draft.is_empty() && command.is_none() && joined.is_none() {
            return match executor.journal.store().head().await {
                Ok(head) => {
                    hooks.committed().await;
                    Ok(head)
                }
                Err(error) => Err(NotStored { failure: error.into(), hooks }),
            };
        }
        let (append, keys) = match draft.into_append(&executor.journal) {
            Ok((append, keys)) => (Append { command, ..append }, keys),
            Err(source) => {
                return Err(NotStored { failure: CommandFailure::Codec { name: name.to_owned(), source }, hooks });
            }
        };
        let stored = tokio::spawn(async move {
            let stored = match joined {
                None => executor.submit(append, keys).await,
                Some(joined) => joined.commit_with(&executor, append, &keys).await,
            };
            match stored {
                Ok(appended) => {
                    hooks.committed().await;
                    Ok(appended.position)
                }
                Err(failure) => Err(NotStored { failure, hooks }),
            }
        });
        match stored.await {
            Ok(stored) => stored,
            // The runtime ends.
            Err(ended) => {
                let failure = AppendError::OutcomeUnknown { source: ended.into() }.into();
                Err(NotStored { failure, hooks: Hooks::default() })
            }
        }
    }
}

impl Joined {
    /// Commits it together with `append`; then it is held no more.
    async fn commit_with(
        self,
        executor: &Executor,
        append: Append,
        keys: &[KeyChange],
    ) -> Result<Appended, CommandFailure> {
        executor.submit_with(self.transaction, append, keys).await
    }
}

impl CommandFailure {
    /// The conflict that kept an append from being stored.
    ///
    /// # Errors
    /// Another failure, as it is.
    pub(crate) fn into_conflict(self) -> Result<Conflict, Self> {
        match self {
            Self::Append(AppendError::Conflict(conflict)) => Ok(conflict),
            other => Err(other),
        }
    }
}
