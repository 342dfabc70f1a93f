//! Beginning workflows by hand, and looking at what has come of them.

use crate::message::{CodecError, CommandId, SagaId};
use crate::saga::{SagaError, SagaHandle, SagaStatus, SagasHandle};
use crate::store::{Journal, SagaRow};

use super::flowing::{Finished, Flowing};
use super::{Workflow, WorkflowError, WorkflowHandlers};

/// The workflows of an application: `app.workflows()`.
///
/// An instance is looked after as the instance of a saga: [`of`](Self::of) lists and counts them, shows their history, and goes
/// on with those that need attention.
#[derive(Debug, Clone)]
pub struct WorkflowsHandle {
    journal: Journal,
    sagas: SagasHandle,
}

/// What has become of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkflowResult<T, E> {
    /// It has not ended.
    Running,
    /// Its function has given this.
    Completed(T),
    /// Its function has failed with this, and what it had done is undone.
    Failed(E),
    /// Somebody wanted undone what it had done, and it is.
    Undone,
    /// Somebody ended it.
    Aborted,
}

/// What has become of an instance of `W`.
pub type ResultOf<W> = WorkflowResult<<W as WorkflowHandlers>::Output, <W as WorkflowHandlers>::Error>;

impl WorkflowsHandle {
    pub(crate) fn new(journal: Journal, sagas: SagasHandle) -> Self {
        Self { journal, sagas }
    }

    /// Begins an instance of `W` with this input. Under one key one instance is begun, as long as it is kept: who begins it again
    /// gets the same id, and nothing happens. When it has ended and was [removed](crate::saga::SagaRetention), the key begins a new
    /// one, with steps and idempotency keys of its own.
    ///
    /// # Errors
    /// When the input cannot be encoded, the application does not have the workflow, or the store does not answer.
    pub async fn begin<W: WorkflowHandlers>(&self, key: &str, input: W) -> Result<SagaId, SagaError> {
        // Not of the key: an instance that had it may be forgotten, and what that one has called is remembered elsewhere.
        let scope = CommandId::new().uuid();
        self.of::<W>()?.begin(key, &Flowing::with(input, scope)).await
    }

    /// The instances of `W`: to list and count them, to look at their history, and to look after those that need attention.
    ///
    /// # Errors
    /// [`SagaError::Unknown`] when the application does not have the workflow.
    pub fn of<W: Workflow>(&self) -> Result<SagaHandle, SagaError> {
        self.sagas.named(W::NAME)
    }

    /// What has become of the instance `id` of `W`; nothing where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or the store does not answer.
    pub async fn result<W: WorkflowHandlers>(&self, id: SagaId) -> Result<Option<ResultOf<W>>, SagaError> {
        let mut transaction = self.journal.store().begin().await?;
        let found = transaction.find_sagas(self.journal.tenant(), W::NAME, &[], &[id]).await?.pop();
        found.map(|row| self.result_of::<W>(&row)).transpose()
    }

    fn result_of<W: WorkflowHandlers>(&self, row: &SagaRow) -> Result<ResultOf<W>, SagaError> {
        if row.status == SagaStatus::Aborted {
            return Ok(WorkflowResult::Aborted);
        }
        let flowing: Flowing<W> =
            self.journal.payloads().decode(&row.state).map_err(|source| SagaError::State { saga: W::NAME, source })?;
        Ok(match flowing.finished {
            None => WorkflowResult::Running,
            Some(Finished::Completed(output)) => WorkflowResult::Completed(read::<W, _>(&output)?),
            Some(Finished::Failed(error)) => WorkflowResult::Failed(read::<W, _>(&error)?),
            Some(Finished::Undone) => WorkflowResult::Undone,
        })
    }
}

fn read<W: Workflow, T: serde::de::DeserializeOwned>(text: &str) -> Result<T, WorkflowError> {
    serde_json::from_str(text).map_err(|error| WorkflowError::Codec {
        workflow: W::NAME,
        what: "what its function has returned".to_owned(),
        source: CodecError::new(error),
    })
}
