//! What surrounds a message while it is handled.

use std::any::{Any, type_name};
use std::sync::Arc;

use crate::message::{CommandId, EventId, Metadata, Recorded, Timestamp, Version};

use super::after_commit::Later;
use super::error::ContextError;
use super::reads::Reads;
use super::resources::Resources;

/// What surrounds a message while it is handled; every parameter of a handler comes from here.
#[derive(Debug)]
pub struct Context<'a> {
    now: Timestamp,
    metadata: &'a Metadata,
    resources: &'a Resources,
    command: Option<CommandId>,
    event: Option<EventId>,
    version: Option<Version>,
    recorded: Option<&'a Recorded>,
    brought: Option<&'a Resources>,
    /// Notes what the handler of a query reads.
    reads: Option<&'a Arc<Reads>>,
    /// Takes what is done after the commit of the handler's transaction.
    later: Option<&'a Later>,
}

impl<'a> Context<'a> {
    /// A context with what every handler has.
    #[must_use]
    pub fn new(now: Timestamp, metadata: &'a Metadata, resources: &'a Resources) -> Self {
        Self {
            now,
            metadata,
            resources,
            command: None,
            event: None,
            version: None,
            recorded: None,
            brought: None,
            reads: None,
            later: None,
        }
    }

    /// The context of a command whose target is at `version`.
    #[must_use]
    pub fn with_command(mut self, id: CommandId, version: Option<Version>) -> Self {
        self.command = Some(id);
        self.version = version;
        self
    }

    /// The context of a stored event.
    #[must_use]
    pub fn with_recorded(mut self, recorded: &'a Recorded) -> Self {
        self.recorded = Some(recorded);
        self.event = Some(recorded.id);
        self.version = Some(recorded.version);
        self
    }

    /// The context of a message for which more was read.
    pub(crate) fn with_brought(mut self, brought: Option<&'a Resources>) -> Self {
        self.brought = brought;
        self
    }

    /// What was read for this message alone.
    pub(crate) fn brought(&self) -> Option<&'a Resources> {
        self.brought
    }

    /// The context of a query whose reads are noted.
    pub(crate) fn with_reads(mut self, reads: Option<&'a Arc<Reads>>) -> Self {
        self.reads = reads;
        self
    }

    /// The context of a handler inside a transaction.
    pub(crate) fn with_later(mut self, later: &'a Later) -> Self {
        self.later = Some(later);
        self
    }

    /// Where the reading of documents is noted.
    pub(crate) fn reads(&self) -> Option<&'a Arc<Reads>> {
        self.reads
    }

    /// Takes what is done after the commit; `None` outside transactions.
    pub(crate) fn later(&self) -> Option<&'a Later> {
        self.later
    }

    /// A shared value that takes nothing from outside the store.
    pub(crate) fn part<T: Send + Sync + 'static>(&self) -> Result<&'a T, ContextError> {
        self.resources.get::<T>().ok_or_else(|| ContextError::no_resource(type_name::<T>()))
    }

    /// Notes that the handler takes something that is no document.
    pub(crate) fn beside(&self) {
        if let Some(reads) = self.reads {
            reads.beside();
        }
    }

    /// The instant of handling.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.beside();
        self.now
    }

    /// What the message carried besides its payload.
    #[must_use]
    pub fn metadata(&self) -> &'a Metadata {
        self.beside();
        self.metadata
    }

    /// What a command carries that is sent because of this message.
    pub(crate) fn carried(&self) -> Metadata {
        match (self.event, self.command) {
            (Some(event), _) => self.metadata.caused_by_event(event),
            (None, Some(command)) => self.metadata.caused_by_command(command),
            (None, None) => self.metadata.clone(),
        }
    }

    /// The values that handlers share.
    #[must_use]
    pub fn resources(&self) -> &'a Resources {
        self.beside();
        self.resources
    }

    /// The id of the command; `None` when an event or a query is handled.
    #[must_use]
    pub fn command_id(&self) -> Option<CommandId> {
        self.command
    }

    /// The id of the event; `None` when a command or a query is handled.
    #[must_use]
    pub fn event_id(&self) -> Option<EventId> {
        self.event
    }

    /// The newest version of the command's target, or the version of the event.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// What is known about the event.
    #[must_use]
    pub fn recorded(&self) -> Option<&'a Recorded> {
        self.recorded
    }

    /// What a parameter `&T` refers to: the metadata, what is known about the event, or a shared resource.
    ///
    /// # Errors
    /// When there is no such value; the error names the type and the remedy.
    pub fn reference<T: Send + Sync + 'static>(&self) -> Result<&'a T, ContextError> {
        self.beside();
        let built_in: [Option<&'a dyn Any>; 2] =
            [Some(self.metadata as &dyn Any), self.recorded.map(|recorded| recorded as &dyn Any)];
        built_in
            .into_iter()
            .flatten()
            .find_map(|value| value.downcast_ref::<T>())
            .or_else(|| self.resources.get::<T>())
            .ok_or_else(|| ContextError::no_resource(type_name::<T>()))
    }
}
