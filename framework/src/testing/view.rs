//! Given events, then documents.

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::handler::{Context, Resources};
use crate::message::{Clock, Decode, Payloads};
use crate::view::{Enrichment, Keep, ViewHandlers, ViewStep};

use super::TestClock;
use super::diff::assert_same;
use super::facts::{Facts, facts};

/// The documents of a view after some events.
#[derive(Debug)]
pub struct GivenView<V> {
    documents: BTreeMap<String, V>,
}

/// Folds `events` into the view `V`.
///
/// # Panics
/// When an event cannot be decoded or folded.
#[track_caller]
pub fn given_view<V: ViewHandlers>(events: impl Facts) -> GivenView<V> {
    fold(events, &Enrichment::default())
}

/// Folds `events` into the view `V`, whose handlers take `found` as [`Enriched`](crate::view::Enriched): what an `#[enrich]` method
/// would look up, which is not called here.
///
/// ```
/// use annals::prelude::*;
/// use annals::testing::given_enriched_view;
/// use annals::view::Enriched;
///
/// # #[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)] #[event(name = "sale.made")]
/// # struct Made { #[tag] sale: String, sku: String }
/// #[derive(View, Serialize, Deserialize, Default, Clone, Debug, PartialEq)]
/// #[view(name = "sales", key = String)]
/// struct Sale { price: u64 }
///
/// struct Price(u64);
///
/// #[view_handlers]
/// impl Sale {
///     #[enrich]
///     fn price(_made: &[Made]) -> Result<Price, HandlerError> {
///         Err(HandlerError::new("a test does not ask the shop"))
///     }
///
///     #[handle(key = sale)]
///     fn made(&mut self, _event: &Made, price: Enriched<Price>) {
///         self.price += price.0;
///     }
/// }
///
/// let made = Made { sale: "s".into(), sku: "book".into() };
/// given_enriched_view::<Sale, _>(made, Price(7)).then(&"s".into(), Sale { price: 7 });
/// ```
///
/// # Panics
/// When an event cannot be decoded or folded.
#[track_caller]
pub fn given_enriched_view<V: ViewHandlers, T: Send + Sync + 'static>(events: impl Facts, found: T) -> GivenView<V> {
    let mut enrichment = Enrichment::default();
    enrichment.insert(found);
    fold(events, &enrichment)
}

#[track_caller]
fn fold<V: ViewHandlers>(events: impl Facts, enrichment: &Enrichment) -> GivenView<V> {
    let (payloads, resources) = (Payloads::json(), Resources::default());
    let now = TestClock::default().now();
    let mut documents = BTreeMap::new();
    for (number, fact) in (1..).zip(facts(events)) {
        let event = fact.recorded(number, now);
        let routed = V::route(Decode::of(&event, &payloads));
        let steps = routed.unwrap_or_else(|error| panic!("the event `{}` cannot be folded: {error}", fact.name));
        for ViewStep { key, fold } in steps {
            let context = Context::new(now, event.recorded.metadata(), &resources)
                .with_recorded(&event.recorded)
                .with_document_key(&key)
                .with_brought(Some(enrichment));
            let mut document = documents.remove(&key).unwrap_or_default();
            match fold(&mut document, &context) {
                Ok(Keep::Update) => drop(documents.insert(key, document)),
                Ok(Keep::Delete) => {}
                Err(error) => panic!("the event `{}` cannot be folded: {error}", fact.name),
            }
        }
    }
    GivenView { documents }
}

impl<V: ViewHandlers> GivenView<V> {
    /// The document with this key is as `expected`.
    ///
    /// # Panics
    /// When it is otherwise.
    #[track_caller]
    pub fn then(self, key: &V::Key, expected: V) -> Self
    where
        V: PartialEq + Debug,
    {
        match self.documents.get(&key.to_string()) {
            Some(document) => {
                assert_same(&expected, document, &format!("another document was expected for the key `{key}`"));
            }
            None => panic!("there is no document with the key `{key}`, only {:?}", self.documents.keys()),
        }
        self
    }

    /// There is no document with this key.
    ///
    /// # Panics
    /// When there is one.
    #[track_caller]
    pub fn then_none(self, key: &V::Key) -> Self {
        assert!(!self.documents.contains_key(&key.to_string()), "there is a document with the key `{key}`");
        self
    }

    /// The document with this key, to look at.
    #[must_use]
    pub fn document(&self, key: &V::Key) -> Option<&V> {
        self.documents.get(&key.to_string())
    }
}
