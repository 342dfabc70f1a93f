//! What surrounds a message while it is handled.

use std::any::{Any, type_name};

use crate::message::{CommandId, EventId, Metadata, Recorded, Timestamp, Version};

use super::error::ContextError;
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
}

impl<'a> Context<'a> {
    /// A context with what every handler has.
    #[must_use]
    pub fn new(now: Timestamp, metadata: &'a Metadata, resources: &'a Resources) -> Self {
        Self { now, metadata, resources, command: None, event: None, version: None, recorded: None }
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

    /// The instant of handling.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What the message carried besides its payload.
    #[must_use]
    pub fn metadata(&self) -> &'a Metadata {
        self.metadata
    }

    /// The values that handlers share.
    #[must_use]
    pub fn resources(&self) -> &'a Resources {
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
