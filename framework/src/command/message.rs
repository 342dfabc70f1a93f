//! A command on its way, and its result, with the types behind a box so that interceptors see every command alike.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::message::{Command, CommandId, Metadata, Position, StreamId, Version};
use crate::store::{Expected, NewEvent};

use super::error::{CommandError, CommandFailure};

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
    /// What the command is sent for.
    pub purpose: Purpose,
    /// Whether the outcome is recorded under the id, so that a repeat gets the first answer. True where the id was
    /// given by the caller: nobody can repeat an id that was drawn fresh.
    pub recorded: bool,
    /// Who goes first where commands wait for the same target.
    pub priority: Priority,
    routing: Option<String>,
    /// The way on behind a layer; set while the command passes one.
    #[cfg(feature = "tower")]
    pub(super) onward: Option<super::interceptor::Onward>,
    payload: Arc<dyn Any + Send + Sync>,
}

impl CommandMessage {
    /// A message for `command` under a fresh id.
    #[must_use]
    pub fn new<C: Command>(command: C) -> Self {
        Self {
            id: CommandId::new(),
            name: C::NAME,
            target: command.target(),
            metadata: Metadata::new(),
            expected: None,
            purpose: Purpose::Execute,
            recorded: false,
            priority: Priority::Normal,
            routing: command.routing_key(),
            #[cfg(feature = "tower")]
            onward: None,
            payload: Arc::new(command),
        }
    }

    /// By what commands are kept in order outside aggregates: the field marked `#[routing]`, or else the target.
    #[must_use]
    pub fn routing_key(&self) -> Option<&str> {
        self.routing.as_deref().or(self.target.as_deref())
    }

    /// The command, which is a `C` where its handler has got it.
    ///
    /// # Errors
    /// When an interceptor has put another one in its place.
    pub(super) fn own<C: Command>(&self) -> Result<&C, CommandFailure> {
        self.command().ok_or_else(|| CommandFailure::NoHandler { command: self.name.to_owned() })
    }

    /// The id of the aggregate that it is for.
    ///
    /// # Errors
    /// When it names none.
    pub(super) fn addressee(&self) -> Result<&str, CommandFailure> {
        self.target.as_deref().ok_or(CommandFailure::NoTarget { command: self.name })
    }

    /// The command, if it is a `C`.
    #[must_use]
    pub fn command<C: Command>(&self) -> Option<&C> {
        self.payload.downcast_ref()
    }
}

/// Who goes first where commands wait for the same target. Within one priority it is first come, first served.
///
/// A command that waits is overtaken by at most 64 later ones for each step between their priorities, so that those of
/// a low one are not put off for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Priority {
    /// Behind the others: imports, corrections over many aggregates.
    Low,
    /// What nobody says anything about.
    #[default]
    Normal,
    /// Before the others: somebody is waiting.
    High,
}

impl CommandMessage {
    /// Whether nothing is to be stored.
    pub(crate) fn is_trial(&self) -> bool {
        self.purpose == Purpose::Trial
    }

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
    /// What would have been stored, where the command was only tried.
    pub(crate) trial: Option<Vec<NewEvent>>,
    pub(crate) reply: Box<dyn Any + Send>,
}

impl Executed {
    /// A first execution.
    pub(crate) fn new<R: Send + 'static>(
        stream: Option<StreamId>,
        version: Option<Version>,
        position: Position,
        reply: R,
    ) -> Self {
        Self { version, position, stream, repeated: false, trial: None, reply: Box::new(reply) }
    }

    /// The answer to a command that was only tried.
    pub(crate) fn of_trial(mut self, events: Vec<NewEvent>) -> Self {
        self.trial = Some(events);
        self
    }
}

/// What a command is sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// To be executed.
    #[default]
    Execute,
    /// To learn what would come of it: it is decided, and nothing is stored.
    Trial,
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
