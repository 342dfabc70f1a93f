//! What surrounds a message while it is handled.

use std::any::{Any, TypeId, type_name};
use std::sync::Arc;

use crate::message::{CommandId, EventId, Metadata, Recorded, Timestamp, Version};
use crate::processor::{Outbox, Passage, Receiver, ResetTo};

use super::after_commit::Later;
use super::error::ContextError;
use super::reads::Reads;
use super::resources::Resources;

/// What surrounds a message while it is handled; every parameter of a handler comes from here.
#[derive(Debug)]
pub struct Context<'a> {
    now: Timestamp,
    metadata: Carried<'a>,
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
    /// How an event comes to a handler.
    passage: Option<&'a Passage>,
    /// Who handles an event.
    receiver: Option<Receiver<'a>>,
    /// Where a processor is reset to.
    reset: Option<&'a ResetTo>,
    /// Takes the commands that a handler of events sends.
    outbox: Option<&'a Outbox>,
    /// The key of the document that a view handler is called for.
    document_key: Option<&'a str>,
}

/// What a message carried besides its payload.
#[derive(Debug, Clone, Copy)]
enum Carried<'a> {
    As(&'a Metadata),
    /// Read when it is first asked for.
    By(&'a Recorded),
}

impl<'a> Carried<'a> {
    fn get(self) -> &'a Metadata {
        match self {
            Self::As(metadata) => metadata,
            Self::By(recorded) => recorded.metadata(),
        }
    }
}

impl<'a> Context<'a> {
    /// A context with what every handler has.
    #[must_use]
    pub fn new(now: Timestamp, metadata: &'a Metadata, resources: &'a Resources) -> Self {
        Self::with(now, Carried::As(metadata), resources)
    }

    fn with(now: Timestamp, metadata: Carried<'a>, resources: &'a Resources) -> Self {
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
            passage: None,
            receiver: None,
            reset: None,
            outbox: None,
            document_key: None,
        }
    }

    /// The context of a stored event, whose metadata are read only where somebody asks for them.
    pub(crate) fn of_event(now: Timestamp, recorded: &'a Recorded, resources: &'a Resources) -> Self {
        Self::with(now, Carried::By(recorded), resources).with_recorded(recorded)
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

    /// The context of an event that a processor hands over.
    pub(crate) fn with_passage(mut self, passage: &'a Passage) -> Self {
        self.passage = Some(passage);
        self
    }

    /// How the event comes to its handler; `None` outside processors.
    pub(crate) fn passage(&self) -> Option<&'a Passage> {
        self.passage
    }

    /// The context of an event for this component of a processor.
    pub(crate) fn with_receiver(mut self, receiver: Receiver<'a>) -> Self {
        self.receiver = Some(receiver);
        self
    }

    /// Who handles the event; `None` outside of event handlers.
    pub(crate) fn receiver(&self) -> Option<Receiver<'a>> {
        self.receiver
    }

    /// The context of an event whose handler may send commands.
    pub(crate) fn with_outbox(mut self, outbox: &'a Outbox) -> Self {
        self.outbox = Some(outbox);
        self
    }

    /// Where the commands go that a handler of events sends.
    pub(crate) fn outbox(&self) -> Option<&'a Outbox> {
        self.outbox
    }

    /// The context in which a processor is reset.
    pub(crate) fn with_reset(mut self, reset: &'a ResetTo) -> Self {
        self.reset = Some(reset);
        self
    }

    /// Where the processor is reset to; `None` at other times.
    pub(crate) fn reset(&self) -> Option<&'a ResetTo> {
        self.reset
    }

    /// The context of an event on its way into the document with this key.
    #[must_use]
    pub fn with_document_key(mut self, key: &'a str) -> Self {
        self.document_key = Some(key);
        self
    }

    /// The key of the document that a view handler is called for; `None` elsewhere.
    #[must_use]
    pub fn document_key(&self) -> Option<&'a str> {
        self.document_key
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
        self.metadata.get()
    }

    /// What a command carries that is sent because of this message.
    pub(crate) fn carried(&self) -> Metadata {
        match (self.event, self.command) {
            (Some(event), _) => self.metadata.get().caused_by_event(event),
            (None, Some(command)) => self.metadata.get().caused_by_command(command),
            (None, None) => self.metadata.get().clone(),
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
        if TypeId::of::<T>() == TypeId::of::<Metadata>() {
            return (self.metadata.get() as &dyn Any)
                .downcast_ref()
                .ok_or_else(|| ContextError::no_resource(type_name::<T>()));
        }
        let recorded = self.recorded.and_then(|recorded| (recorded as &dyn Any).downcast_ref::<T>());
        recorded.or_else(|| self.resources.get::<T>()).ok_or_else(|| ContextError::no_resource(type_name::<T>()))
    }
}
