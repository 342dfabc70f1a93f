//! How a view folds events.

use std::fmt;

use crate::handler::{Context, ContextError, Requirement};
use crate::message::{Decode, UpcastError};

use super::View;

/// The handlers of a view. `#[view_handlers]` implements it.
#[diagnostic::on_unimplemented(
    message = "the view `{Self}` has no handlers",
    note = "add an `impl {Self}` block with `#[view_handlers]` and a method with `#[handle(key = ..)]` for each event"
)]
pub trait ViewHandlers: View {
    /// The events that the view folds.
    const SOURCES: &'static [ViewSource];

    /// Decodes `event` and says which document it concerns, and how; `None` for an event that the view does not fold.
    ///
    /// # Errors
    /// When the event cannot be decoded.
    fn route(event: Decode<'_>) -> Result<Option<ViewStep<Self>>, UpcastError>;

    /// What the parameters of the handlers need.
    fn requirements() -> Vec<Requirement> {
        Vec::new()
    }
}

/// An event that a view folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewSource {
    /// Stored name of the event.
    pub event: &'static str,
    /// The field that holds the document's key.
    pub key: &'static str,
    /// The fields of the event that are tags. A live view needs its key among them.
    pub tags: &'static [&'static str],
}

/// One event on its way into one document.
pub struct ViewStep<V> {
    /// The document's key, as text.
    pub key: String,
    /// Folds the event into the document.
    pub fold: FoldFn<V>,
}

type FoldFn<V> = Box<dyn FnOnce(&mut V, &Context<'_>) -> Result<Keep, ContextError> + Send>;

impl<V: View> ViewStep<V> {
    /// A step for the document with `key`.
    pub fn new(
        key: &V::Key,
        fold: impl FnOnce(&mut V, &Context<'_>) -> Result<Keep, ContextError> + Send + 'static,
    ) -> Self {
        Self { key: key.to_string(), fold: Box::new(fold) }
    }
}

impl<V> fmt::Debug for ViewStep<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewStep").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Whether the document stays after an event was folded into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It is written.
    Update,
    /// It is removed; a later event of the same key starts from the default again.
    Delete,
}

/// What a view handler may return: `()` or [`Keep`].
#[diagnostic::on_unimplemented(
    message = "a view handler cannot return `{Self}`",
    note = "expected nothing, or `Keep` to remove the document with `Keep::Delete`"
)]
pub trait IntoKeep {
    /// Whether the document stays.
    fn into_keep(self) -> Keep;
}

impl IntoKeep for () {
    fn into_keep(self) -> Keep {
        Keep::Update
    }
}

impl IntoKeep for Keep {
    fn into_keep(self) -> Keep {
        self
    }
}
