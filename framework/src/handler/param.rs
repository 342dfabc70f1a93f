//! Parameters that a handler takes by value.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::message::{CommandId, EventId, Metadata, Recorded, Timestamp, Version};

use super::context::Context;
use super::error::ContextError;

/// A type that a handler may ask for by naming it as a parameter.
///
/// ```
/// use annals::prelude::*;
/// use annals::handler::{Context, ContextError, FromContext};
///
/// /// Who sent the message.
/// struct User(String);
///
/// impl FromContext for User {
///     fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
///         let user = context.metadata().get("user");
///         user.map(|user| Self(user.to_owned())).ok_or_else(|| ContextError::new("User", "and nobody is signed in"))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no parameter that a handler can ask for",
    note = "implement `annals::handler::FromContext` for it, or take a shared resource as `&{Self}`"
)]
pub trait FromContext: Sized {
    /// Takes the value out of the context.
    ///
    /// # Errors
    /// When the context has no such value; the message is then refused before the handler runs.
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError>;

    /// What must be there for this to work; checked once at start.
    fn requirement() -> Requirement {
        Requirement::None
    }
}

/// What a parameter needs, so that a missing piece is found at start.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Requirement {
    /// Nothing.
    None,
    /// A shared resource.
    Resource(TypeId, &'static str),
    /// The documents of a view, by the view's stored name.
    View(&'static str),
    /// A transaction of a certain backend.
    Transaction(TypeId, &'static str),
    /// A stored event, with its position: not known in an inline view.
    Recorded,
    /// The version of a stream: of the target of an aggregate's command, or of a stored event.
    Version,
    /// A way to send commands: not in what is pure, nor inside the transaction of an event handler.
    Gateway,
    /// A way to tell subscribers of queries: not in what is pure.
    Updates,
    /// A way to schedule commands: not in what is pure.
    Scheduler,
    /// A command: not known where an event or a query is handled.
    Command,
    /// The state of a decision inside its boundary: only where a command is decided.
    Model(ModelKey),
    /// The events that the caller of an aggregate's command has not seen.
    Unseen,
    /// The key of a document: only in views.
    DocumentKey,
    /// What a view has looked up for a page of events.
    Enriched(TypeId, &'static str),
}

/// Names a model, and makes what reads it.
#[derive(Clone, Copy)]
pub struct ModelKey {
    pub(crate) id: TypeId,
    pub(crate) name: &'static str,
    /// Tags that the command has to carry.
    pub(crate) boundary: &'static [&'static [&'static str]],
    pub(crate) make: fn() -> Box<dyn Any>,
}

impl PartialEq for ModelKey {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for ModelKey {}

impl fmt::Debug for ModelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Requirement {
    /// The need of a parameter `&T`.
    #[must_use]
    pub fn reference<T: 'static>() -> Self {
        let wanted = TypeId::of::<T>();
        if wanted == TypeId::of::<Metadata>() {
            Self::None
        } else if wanted == TypeId::of::<Recorded>() {
            Self::Recorded
        } else {
            Self::Resource(wanted, type_name::<T>())
        }
    }

    /// The need of a parameter `&mut T` that is a transaction.
    #[must_use]
    pub fn transaction<T: 'static>() -> Self {
        Self::Transaction(TypeId::of::<T>(), type_name::<T>())
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Resource(_, name) => write!(f, "Resource({name})"),
            Self::View(name) => write!(f, "View({name})"),
            Self::Transaction(_, name) => write!(f, "Transaction({name})"),
            Self::Recorded => f.write_str("Recorded"),
            Self::Version => f.write_str("Version"),
            Self::Gateway => f.write_str("Gateway"),
            Self::Updates => f.write_str("Updates"),
            Self::Scheduler => f.write_str("Scheduler"),
            Self::Command => f.write_str("Command"),
            Self::Model(key) => write!(f, "Model({key:?})"),
            Self::Unseen => f.write_str("Unseen"),
            Self::Enriched(_, name) => write!(f, "Enriched({name})"),
            Self::DocumentKey => f.write_str("DocumentKey"),
        }
    }
}

/// The instant of handling, by the application's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now(pub Timestamp);

impl From<Now> for Timestamp {
    fn from(now: Now) -> Self {
        now.0
    }
}

impl FromContext for Now {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        Ok(Self(context.now()))
    }
}

impl FromContext for Metadata {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        Ok(context.metadata().clone())
    }
}

impl FromContext for Recorded {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        context.reference::<Self>().cloned()
    }

    fn requirement() -> Requirement {
        Requirement::Recorded
    }
}

impl FromContext for Version {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        context.version().ok_or_else(|| ContextError::new("Version", "and the stream has no events yet"))
    }

    fn requirement() -> Requirement {
        Requirement::Version
    }
}

impl FromContext for Option<Version> {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        Ok(context.version())
    }
}

impl FromContext for CommandId {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        context.command_id().ok_or_else(|| ContextError::new("CommandId", "and no command is handled here"))
    }

    fn requirement() -> Requirement {
        Requirement::Command
    }
}

impl FromContext for EventId {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        context.event_id().ok_or_else(|| ContextError::new("EventId", "and no stored event is handled here"))
    }

    fn requirement() -> Requirement {
        Requirement::Recorded
    }
}

/// A resource that handlers share, taken by value.
#[derive(Debug)]
pub struct Shared<T>(pub Arc<T>);

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + Sync + 'static> FromContext for Shared<T> {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        context.resources().shared().map(Self).ok_or_else(|| ContextError::no_resource(type_name::<T>()))
    }

    fn requirement() -> Requirement {
        Requirement::Resource(TypeId::of::<T>(), type_name::<T>())
    }
}
