//! The events that the caller of a command has not seen.

use std::sync::Arc;

use crate::handler::{Context, ContextError, FromContext, Requirement, Resources};
use crate::message::{Event, Json, Recorded};

/// Events that a caller may have missed at most. With more the command is a conflict.
pub(crate) const UNSEEN_LIMIT: usize = 1_000;

/// What happened to an aggregate after the version that the caller of a command expects: a parameter of its handler, which
/// then decides whether that is a conflict. Without it, any such event is one.
///
/// It is empty where the caller expects nothing, or has seen everything.
///
/// ```
/// use annals::command::Unseen;
/// use annals::prelude::*;
///
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "page.renamed")] struct Renamed { title: String }
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "page.moved")] struct Moved;
/// # #[derive(Command, Serialize, Deserialize, Clone)] #[command(name = "page.rename", error = PageError)]
/// # struct Rename { #[target] page: String, title: String }
/// # #[derive(thiserror::Error, Serialize, Deserialize, Debug)]
/// # enum PageError { #[error("renamed meanwhile")] RenamedMeanwhile }
/// # #[derive(Aggregate, Default, Clone)] #[aggregate(name = "page")] struct Page;
/// # #[event_sourcing] impl Page {
/// #     #[apply] fn renamed(&mut self, _: &Renamed) {}
/// #     #[apply] fn moved(&mut self, _: &Moved) {}
/// # }
/// #[command_handlers]
/// impl Page {
///     /// That the page was moved meanwhile does no harm.
///     #[handle]
///     fn rename(&self, command: Rename, unseen: Unseen) -> Result<Renamed, PageError> {
///         if unseen.has::<Renamed>() {
///             return Err(PageError::RenamedMeanwhile);
///         }
///         Ok(Renamed { title: command.title })
///     }
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Unseen(Arc<Vec<UnseenEvent>>);

/// An event that the caller has not seen.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UnseenEvent {
    /// Everything known about the event but its payload.
    pub recorded: Recorded,
    /// The event's current stored name.
    pub name: String,
    /// The payload, lifted by the upcasters.
    pub payload: Json,
}

impl Unseen {
    pub(crate) fn new(events: Vec<UnseenEvent>) -> Self {
        Self(Arc::new(events))
    }

    /// Whether there is any event of the type `E`.
    #[must_use]
    pub fn has<E: Event>(&self) -> bool {
        self.0.iter().any(|event| event.name == E::NAME)
    }

    /// The events of the type `E`, oldest first. One that cannot be read is left out.
    pub fn of<E: Event>(&self) -> impl Iterator<Item = E> {
        let named = self.0.iter().filter(|event| event.name == E::NAME);
        named.filter_map(|event| serde_json::from_value(event.payload.clone()).ok())
    }

    /// The events, oldest first.
    pub fn iter(&self) -> std::slice::Iter<'_, UnseenEvent> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the caller has seen everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Unseen {
    type Item = &'a UnseenEvent;
    type IntoIter = std::slice::Iter<'a, UnseenEvent>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromContext for Unseen {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        Ok(context.brought().and_then(Resources::get::<Self>).cloned().unwrap_or_default())
    }

    fn requirement() -> Requirement {
        Requirement::Unseen
    }
}
