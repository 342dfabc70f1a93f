//! Reference data that is looked up once for all events of a page.

use std::any::TypeId;
use std::fmt;
use std::ops::Deref;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use crate::handler::{Context, ContextError, FromContext, HandlerError, Requirement, Resources, panic_message};
use crate::message::{Decode, Metadata, RecordedEvent};

use super::ViewHandlers;
use super::processor::ViewComponent;

/// What an `#[enrich]` method of the view has looked up for the events of a page.
///
/// The method takes slices of events and whatever it looks things up with; the handlers of those events take what it
/// returns. It is called once for a page of an asynchronous or a live view, and once for the events of an append before
/// an inline view folds them; not at all where there is none of its events. What it fails with counts as an error of the
/// handler.
///
/// The lookup of a page has no time limit of its own, and an asynchronous view holds its transaction meanwhile: give it a limit
/// where it may hang.
///
/// What is looked up is no part of history: a replay sees the reference data of its own day, a live view that of each
/// read, and the modes may differ. Documents can be built anew faithfully where the data is looked up by a version that the
/// event names, or never changes.
///
/// ```
/// use annals::prelude::*;
/// use annals::view::Enriched;
/// use std::collections::HashMap;
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(name = "sale.made")]
/// struct Made { #[tag] sale: String, sku: String }
///
/// /// Where names are looked up; a database, say.
/// struct Shop;
///
/// type Names = HashMap<String, String>;
///
/// #[derive(View, Serialize, Deserialize, Default, Clone)]
/// #[view(name = "sales", key = String)]
/// struct Sale { name: Option<String> }
///
/// #[view_handlers]
/// impl Sale {
///     #[enrich]
///     async fn names(made: &[Made], _shop: &Shop) -> Result<Names, HandlerError> {
///         // One query for all of them.
///         Ok(made.iter().map(|made| (made.sku.clone(), format!("name of {}", made.sku))).collect())
///     }
///
///     #[handle(key = sale)]
///     fn made(&mut self, event: &Made, names: Enriched<Names>) {
///         self.name = names.get(&event.sku).cloned();
///     }
/// }
/// ```
pub struct Enriched<T>(Arc<T>);

/// What was looked up for a page, by its types.
pub type Enrichment = Resources;

impl<T> Deref for Enriched<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for Enriched<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Enriched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Enriched").field(&self.0).finish()
    }
}

impl<T: Send + Sync + 'static> FromContext for Enriched<T> {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        let found = context.brought().and_then(Resources::shared::<T>);
        found.map(Self).ok_or_else(|| {
            ContextError::new(
                std::any::type_name::<Self>(),
                "and the `#[enrich]` method that returns it takes no slice of this event",
            )
        })
    }

    fn requirement() -> Requirement {
        Requirement::Enriched(TypeId::of::<T>(), std::any::type_name::<T>())
    }
}

impl<V: ViewHandlers> ViewComponent<V> {
    /// What the handlers of `events` need besides them. An event that cannot be decoded is passed over: it is reported when
    /// its turn comes.
    pub(super) async fn enrich(&self, events: &[&RecordedEvent]) -> Result<Enrichment, HandlerError> {
        if !V::ENRICHES {
            return Ok(Enrichment::default());
        }
        let mut parts = Vec::new();
        for event in events.iter().filter(|event| self.names.contains(&event.recorded.name.as_str())) {
            if let Ok(decoded) = self.decode(event).await {
                parts.extend(decoded);
            }
        }
        self.enrich_parts(parts).await
    }

    /// The same for what is decoded already.
    pub(super) async fn enrich_parts(&self, parts: Vec<Decode<'_>>) -> Result<Enrichment, HandlerError> {
        if !V::ENRICHES {
            return Ok(Enrichment::default());
        }
        let metadata = Metadata::default();
        let context = Context::new(self.now(), &metadata, self.resources());
        let looking_up = AssertUnwindSafe(V::enrich(parts, &context)).catch_unwind().await;
        looking_up.map_err(|panic| {
            let panic = panic_message(&*panic);
            HandlerError::new(format!("an `#[enrich]` method of view `{}` panicked: {panic}", V::NAME))
        })?
    }
}
