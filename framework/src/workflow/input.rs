//! An event on its way into a workflow.

use std::fmt;

use crate::message::{CodecError, Event, Timestamp, UpcastError};
use crate::store::Association;

use super::Workflow;
use super::record::Arrived;

type BeginFn<W> = Box<dyn Fn() -> W + Send + Sync>;

/// One event on its way into a workflow.
pub struct WorkflowInput<W> {
    /// By what the instance is found.
    pub(crate) association: Association,
    /// Makes the input of a new instance, where the event begins one.
    pub(crate) begin: Option<BeginFn<W>>,
    /// What an instance that runs records of it, where it can wait for the event.
    pub(crate) arrived: Option<Arrived>,
}

impl<W: Workflow> WorkflowInput<W> {
    /// An event for the instance whose association is `association`.
    #[must_use]
    pub fn new(association: Association) -> Self {
        Self { association, begin: None, arrived: None }
    }

    /// The event begins an instance where there is none, with this input.
    #[must_use]
    pub fn begins(self, input: impl Fn() -> W + Send + Sync + 'static) -> Self {
        Self { begin: Some(Box::new(input)), ..self }
    }

    /// The function can wait for the event.
    ///
    /// # Errors
    /// When it cannot be written into the record.
    pub fn awaits<E: Event>(self, event: &E) -> Result<Self, UpcastError> {
        let payload = serde_json::to_string(event).map_err(|error| UpcastError::Payload {
            name: E::NAME.to_owned(),
            revision: E::REVISION,
            source: CodecError::new(error),
        })?;
        let Association { key, value } = self.association.clone();
        let (name, revision) = (E::NAME.to_owned(), E::REVISION);
        let arrived = Arrived { at: Timestamp::EPOCH, name, revision, key, value, payload };
        Ok(Self { arrived: Some(arrived), ..self })
    }
}

impl<W> fmt::Debug for WorkflowInput<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowInput").field("association", &self.association).finish_non_exhaustive()
    }
}
