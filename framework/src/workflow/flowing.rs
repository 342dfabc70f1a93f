//! What is stored of an instance.

use serde::{Deserialize, Serialize};

use crate::message::Timestamp;

use super::error::WorkflowError;
use super::record::Entry;
use super::replay::{Formats, Move, next};
use super::{Workflow, WorkflowHandlers};

/// An instance of the workflow `W`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "W: Workflow")]
pub(crate) struct Flowing<W> {
    /// How it was begun; nothing before that.
    pub(crate) begun: Option<Begun<W>>,
    /// What its function has asked for, and what has come of it.
    pub(crate) record: Vec<Entry>,
    /// What its function has returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) finished: Option<Finished>,
    /// What the input that is just handled brings.
    #[serde(skip)]
    pub(crate) arrived: Option<Entry>,
}

/// How an instance was begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "W: Workflow")]
pub(crate) struct Begun<W> {
    pub(crate) input: W,
    /// The version of the program at that time.
    pub(crate) version: u32,
    pub(crate) at: Timestamp,
    /// What the ids of the instance are derived from.
    pub(crate) scope: uuid::Uuid,
}

/// What a function has returned, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Finished {
    Completed(String),
    /// It has failed, and what it had done is undone.
    Failed(String),
    /// Somebody wanted undone what it had done.
    Undone,
}

/// What an instance wants to happen next.
pub(crate) struct Next {
    pub(crate) moves: Vec<Move>,
    /// What it waits for.
    pub(crate) stage: String,
}

impl<W> Default for Flowing<W> {
    fn default() -> Self {
        Self { begun: None, record: Vec::new(), finished: None, arrived: None }
    }
}

impl<W: WorkflowHandlers> Flowing<W> {
    /// The instance is begun with `input`.
    pub(crate) fn begin(&mut self, input: W, at: Timestamp, scope: uuid::Uuid) {
        self.begun = Some(Begun { input, version: W::VERSION, at, scope });
    }

    /// An instance that is begun by hand or by another workflow, at an instant that is not known yet.
    pub(crate) fn with(input: W, scope: uuid::Uuid) -> Self {
        let mut flowing = Self::default();
        flowing.begin(input, Timestamp::EPOCH, scope);
        flowing
    }

    /// Runs the function as far as it comes with what is recorded, and gives what it wants to happen.
    ///
    /// # Errors
    /// When the function does not fit the record, or cannot go on.
    pub(crate) fn go_on(&mut self, formats: &Formats) -> Result<Next, WorkflowError> {
        let begun = self.begun.as_ref().ok_or(WorkflowError::NotBegun { workflow: W::NAME })?;
        let ran = next(begun, std::mem::take(&mut self.record), formats)?;
        self.record = ran.record;
        if let Some(Move::End(finished)) = ran.moves.last() {
            self.finished = Some(finished.clone());
        }
        Ok(Next { moves: ran.moves, stage: ran.stage })
    }

    /// The same, with something that has just come.
    ///
    /// # Errors
    /// As [`Self::go_on`].
    pub(crate) fn take(&mut self, entry: Entry, formats: &Formats) -> Result<Next, WorkflowError> {
        self.record.push(entry);
        self.go_on(formats)
    }
}
