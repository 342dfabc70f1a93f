//! How a view folds events.

use std::any::TypeId;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use futures_util::future::BoxFuture;

use crate::handler::{Context, ContextError, FromContext, HandlerError, Requirement};
use crate::message::{Decode, UpcastError};

use super::View;
use super::enrich::Enrichment;

/// The handlers of a view. `#[view_handlers]` implements it.
#[diagnostic::on_unimplemented(
    message = "the view `{Self}` has no handlers",
    note = "add an `impl {Self}` block with `#[view_handlers]` and a method with `#[handle(key = ..)]` for each event"
)]
pub trait ViewHandlers: View {
    /// The events that the view folds.
    const SOURCES: &'static [ViewSource];

    /// Decodes `event` and says which documents it concerns, and how: one step for each, and none for an event that the view
    /// does not fold.
    ///
    /// # Errors
    /// When the event cannot be decoded.
    fn route(event: Decode<'_>) -> Result<Vec<ViewStep<Self>>, UpcastError>;

    /// Whether [`ViewHandlers::enrich`] does anything.
    const ENRICHES: bool = false;

    /// Looks up what the handlers of `events` need besides them, once for all.
    fn enrich<'a>(
        events: Vec<Decode<'a>>,
        context: &'a Context<'a>,
    ) -> BoxFuture<'a, Result<Enrichment, HandlerError>> {
        drop((events, context));
        Box::pin(std::future::ready(Ok(Enrichment::default())))
    }

    /// The types of what is looked up.
    fn enriched() -> Vec<TypeId> {
        Vec::new()
    }

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
    /// The field that holds the keys of the documents; `None` where a function gives them.
    pub key: Option<&'static str>,
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

/// The key of the document that a view handler is called for. A handler takes it as a parameter, mostly where an event
/// concerns many documents.
///
/// ```
/// use annals::prelude::*;
/// use annals::view::Key;
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(name = "team.won")]
/// struct Won { #[tag] players: Vec<String>, best: String }
///
/// #[derive(View, Serialize, Deserialize, Default, Clone)]
/// #[view(name = "players", key = String)]
/// struct Player { wins: u32, best: u32 }
///
/// #[view_handlers]
/// impl Player {
///     #[handle(keys = players)]
///     fn won(&mut self, event: &Won, player: Key<String>) {
///         self.wins += 1;
///         self.best += u32::from(event.best == *player);
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key<K>(pub K);

impl<K> Deref for Key<K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.0
    }
}

impl<K: FromStr<Err: fmt::Display>> FromContext for Key<K> {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        let wanted = std::any::type_name::<Self>();
        let text = context.document_key().ok_or_else(|| ContextError::new(wanted, "and no document has a key here"))?;
        let key = text.parse().map_err(|error| ContextError::new(wanted, format!("and `{text}` is none: {error}")))?;
        Ok(Self(key))
    }

    fn requirement() -> Requirement {
        Requirement::DocumentKey
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
