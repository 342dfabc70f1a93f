//! A command on its way, and its result, with the types behind a box so that interceptors see every command alike.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::message::{Command, CommandId, Metadata, Position, StreamId, Version};
use crate::store::Expected;

use super::error::CommandError;

/// A command on its way to its handler.
#[derive(Clone)]
pub struct CommandMessage {
    /// Its id.
    pub id: CommandId,
    /// Its stored name.
    pub name: &'static str,
    /// The id of the aggregate that it is for.
    pub target: Option<String>,
    /// What it carries besides its payload.
    pub metadata: Metadata,
    /// The version that the caller expects of the target; the decision is then never run again.
    pub expected: Option<Expected>,
    /// Whether the outcome is recorded under the id, so that a repeat gets the first answer. True where the id was
    /// given by the caller: nobody can repeat an id that was drawn fresh.
    pub recorded: bool,
    payload: Arc<dyn Any + Send + Sync>,
}

impl CommandMessage {
    /// A message for `command` under a fresh id.
    #[must_use]
    pub fn new<C: Command>(command: C) -> Self {
        let target = command.target();
        Self::erased(C::NAME, target, Arc::new(command))
    }

    pub(crate) fn erased(name: &'static str, target: Option<String>, payload: Arc<dyn Any + Send + Sync>) -> Self {
        Self { id: CommandId::new(), name, target, metadata: Metadata::new(), expected: None, recorded: false, payload }
    }

    /// The command, if it is a `C`.
    #[must_use]
    pub fn command<C: Command>(&self) -> Option<&C> {
        self.payload.downcast_ref()
    }
}

impl CommandMessage {
    pub(crate) fn type_id_of_command(&self) -> std::any::TypeId {
        (*self.payload).type_id()
    }
}

impl fmt::Debug for CommandMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandMessage")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// A command that was executed.
pub struct Executed {
    /// The newest version of the target's stream; `None` where the command has no stream.
    pub version: Option<Version>,
    /// The position of the newest event that the execution wrote or saw.
    pub position: Position,
    /// The target's stream; `None` where the command has none.
    pub stream: Option<StreamId>,
    /// Whether this is the answer of an earlier execution under the same id.
    pub repeated: bool,
    pub(crate) reply: Box<dyn Any + Send>,
}

impl fmt::Debug for Executed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executed")
            .field("version", &self.version)
            .field("position", &self.position)
            .field("repeated", &self.repeated)
            .finish_non_exhaustive()
    }
}

/// What comes of a command.
pub type CommandResult = Result<Executed, CommandError>;
