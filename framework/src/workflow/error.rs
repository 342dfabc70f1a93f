//! What can go wrong with a workflow.

use crate::message::{CodecError, UpcastError};

/// Why an instance of a workflow could not go on. The instance needs attention, and goes on when that is repaired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowError {
    /// The function does not ask for what is recorded of the instance: it was changed while the instance ran, or does not
    /// do the same each time.
    #[error(
        "the function of workflow `{workflow}` (version {version}) does not fit the record of an instance begun under version \
         {begun}: at place {place} stands {recorded}, but the function now asks for {asked}; bring back what it did, or do \
         the new only where `flow.changed(\"..\")` is true"
    )]
    Changed {
        /// Stored name of the workflow.
        workflow: &'static str,
        /// The version of the program.
        version: u32,
        /// The version under which the instance was begun.
        begun: u32,
        /// Where in the record, from 1.
        place: usize,
        /// What stands there.
        recorded: String,
        /// What the function wants there.
        asked: String,
    },
    /// The function waits for something that no step of the workflow brings.
    #[error(
        "the function of workflow `{workflow}` waits, behind place {place} of its record, for something that is no step: \
         await what `flow` gives, and do anything else in `flow.call(..)`"
    )]
    Foreign {
        /// Stored name of the workflow.
        workflow: &'static str,
        /// How many entries the record has.
        place: usize,
    },
    /// The record has become too long.
    #[error(
        "the record of an instance of workflow `{workflow}` has {entries} entries, and at most {limit} are kept: begin another \
         instance for what is left to do"
    )]
    TooLong {
        /// Stored name of the workflow.
        workflow: &'static str,
        /// The entries that it would have.
        entries: usize,
        /// The most that it may have.
        limit: usize,
    },
    /// A value cannot be written, or what was recorded cannot be read.
    #[error("workflow `{workflow}` cannot write or read {what}")]
    Codec {
        /// Stored name of the workflow.
        workflow: &'static str,
        /// Which value.
        what: String,
        /// What the codec said.
        source: CodecError,
    },
    /// An event was recorded at another revision than the program knows.
    #[error(
        "workflow `{workflow}` has recorded the event `{event}` at revision {recorded}, and the program knows revision {known}: \
         an `#[upcast(from = {recorded})]` has to lift it"
    )]
    Revision {
        /// Stored name of the workflow.
        workflow: &'static str,
        /// Stored name of the event.
        event: &'static str,
        /// The revision in the record.
        recorded: u32,
        /// The revision of the program.
        known: u32,
    },
    /// An event that was recorded cannot be lifted to the revision that the program knows.
    #[error("an event that workflow `{workflow}` has recorded cannot be lifted")]
    Event {
        /// Stored name of the workflow.
        workflow: &'static str,
        /// What the upcasters said.
        source: UpcastError,
    },
    /// A command that was to undo something was rejected.
    #[error("workflow `{workflow}` cannot undo what it has done: the command `{command}` was rejected: {error}")]
    UndoRejected {
        /// Stored name of the workflow.
        workflow: &'static str,
        /// Stored name of the command.
        command: String,
        /// The domain's error, encoded.
        error: String,
    },
    /// A command or a call was left out whose answer the function waits for.
    #[error(
        "the function of workflow `{workflow}` waits for the answer to `{name}`, which cannot be left out: send another command in \
         its place, or have the instance undo what it has done"
    )]
    Skipped {
        /// Stored name of the workflow.
        workflow: &'static str,
        /// What was left out.
        name: String,
    },
    /// Something came for an instance that was never begun.
    #[error("an instance of workflow `{workflow}` has no input")]
    NotBegun {
        /// Stored name of the workflow.
        workflow: &'static str,
    },
}
