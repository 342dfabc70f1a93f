//! Finding documents by their indexes, a page at a time.

use std::fmt;

use futures_util::Stream;
use serde::{Deserialize, Serialize};

use crate::store::error::BoxError;
use crate::store::{Document, DocumentPlace, DocumentQuery, FoundDocument, Limits};

use super::built::Source;
use super::cursor::Cursor;
use super::handle::{bytes_of, failed};
use super::index::{self, Filter, Order};
use super::{ViewError, ViewHandlers, ViewMode, Views};

/// Documents of a page unless [`ViewQuery::limit`] says otherwise.
pub const PAGE: usize = 100;

/// A document with its key and its revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versioned<V> {
    /// The text of the key.
    pub key: String,
    /// Grows whenever the document is written, from 1, and goes on after it was removed: what was read at one revision
    /// is what is read at the same one later. Of a live view it is the number of events that were folded.
    pub revision: u64,
    /// The document.
    pub document: V,
}

/// Some documents in the order of a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewPage<V> {
    /// The documents.
    pub documents: Vec<Versioned<V>>,
    /// Where the next page begins; `None` behind the last document.
    pub next: Option<Cursor>,
}

/// A question for documents: which, in what order, how many. [`Views::filter`] and its neighbours begin one.
///
/// A query over an asynchronous or inline view runs in the database, and finds what is asked for by the indexes. One
/// over a live view folds all of its events first; its answers are the same.
///
/// ```standalone_crate
/// use annals::prelude::*;
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(name = "parcel.sent")]
/// struct Sent { #[tag] parcel: String, owner: String, weight: u32 }
///
/// #[derive(View, Serialize, Deserialize, Default, Clone)]
/// #[view(name = "parcels", key = String)]
/// struct Parcel {
///     #[index]
///     owner: String,
///     #[index]
///     weight: u32,
/// }
///
/// #[view_handlers]
/// impl Parcel {
///     #[handle(key = parcel)]
///     fn sent(&mut self, event: &Sent) {
///         self.owner = event.owner.clone();
///         self.weight = event.weight;
///     }
/// }
///
/// # async fn read(app: &Annals) -> annals::Result<()> {
/// let parcels = app.view::<Parcel>();
/// let heavy = parcels.filter(Parcel::OWNER.is("ann")).filter(Parcel::WEIGHT.at_least(20));
/// let first = heavy.clone().order_by(Parcel::WEIGHT.descending()).limit(10).page().await?;
/// println!("{} of {}", first.documents.len(), heavy.count().await?);
/// # Ok(())
/// # }
/// # fn main() {}
/// ```
#[must_use = "a query does nothing until it is asked for a page, a count or a stream"]
pub struct ViewQuery<V> {
    views: Views<V>,
    filters: Vec<Filter<V>>,
    order: Order<V>,
    after: Option<Cursor>,
    limit: usize,
}

impl<V: ViewHandlers> Views<V> {
    /// All documents, in the order of their keys, to be filtered and ordered.
    pub fn all(&self) -> ViewQuery<V> {
        ViewQuery { views: self.clone(), filters: Vec::new(), order: Order::keys(), after: None, limit: PAGE }
    }

    /// The documents for which `filter` holds; further filters may follow.
    pub fn filter(&self, filter: Filter<V>) -> ViewQuery<V> {
        self.all().filter(filter)
    }

    /// All documents in this order.
    pub fn order_by(&self, order: Order<V>) -> ViewQuery<V> {
        self.all().order_by(order)
    }
}

impl<V: ViewHandlers> ViewQuery<V> {
    /// Only documents for which `filter` holds as well.
    pub fn filter(mut self, filter: Filter<V>) -> Self {
        self.filters.push(filter);
        self
    }

    /// In this order. Default: by the text of the keys.
    pub fn order_by(self, order: Order<V>) -> Self {
        Self { order, ..self }
    }

    /// At most so many documents a page, from 1. Default: [`PAGE`]. A larger page takes more memory, a smaller one more
    /// round trips.
    pub fn limit(self, limit: usize) -> Self {
        Self { limit: limit.max(1), ..self }
    }

    /// Behind the page that gave this cursor. With `None` from the beginning.
    pub fn after(self, cursor: impl Into<Option<Cursor>>) -> Self {
        Self { after: cursor.into(), ..self }
    }

    /// One page.
    ///
    /// # Errors
    /// [`ViewError::Cursor`] when the cursor is of a query with another order; [`ViewError::Failed`] when the store does
    /// not answer, a value is longer than an index holds, or a live view cannot be folded.
    pub async fn page(&self) -> Result<ViewPage<V>, ViewError> {
        // One more than asked for says whether there is a next page.
        let mut found = self.found(self.limit.saturating_add(1)).await?;
        let more = found.len() > self.limit;
        found.truncate(self.limit);
        let last = found.last().filter(|_| more).map(|(place, _)| place);
        let next = last.map(|place| Cursor::new(self.order.index, self.order.direction, place));
        Ok(ViewPage { documents: found.into_iter().map(|(_, found)| found).collect(), next })
    }

    /// The first document, if there is any.
    ///
    /// # Errors
    /// As [`ViewQuery::page`].
    pub async fn first(&self) -> Result<Option<Versioned<V>>, ViewError> {
        Ok(self.found(1).await?.pop().map(|(_, found)| found))
    }

    /// Whether there is any document.
    ///
    /// # Errors
    /// As [`ViewQuery::page`].
    pub async fn exists(&self) -> Result<bool, ViewError> {
        Ok(!self.found(1).await?.is_empty())
    }

    /// How many documents all pages have together, whatever the cursor and the limit.
    ///
    /// # Errors
    /// As [`ViewQuery::page`].
    pub async fn count(&self) -> Result<u64, ViewError> {
        let query = self.query(None, 0);
        self.views.note(|reads| reads.span(V::NAME, None));
        let source = self.views.source().await?;
        if V::MODE == ViewMode::Live || matches!(source, Source::Older(_)) {
            return Ok(self.folded(&query, &source).await?.len() as u64);
        }
        let counted = self.views.store().count_documents(&query).await.map_err(failed::<V>)?;
        self.views.note(|reads| reads.found(|| format!("count of {query:?}"), || counted.to_be_bytes().to_vec()));
        Ok(counted)
    }

    /// The documents of all pages from the cursor on, one after the other. A page is read when its first document is asked
    /// for. A document that is moved behind the place that was reached is met a second time.
    pub fn stream(self) -> impl Stream<Item = Result<Versioned<V>, ViewError>> + Send {
        let begun = (Some(self), Vec::new().into_iter());
        futures_util::stream::try_unfold(begun, |(mut query, mut page)| async move {
            loop {
                if let Some(document) = page.next() {
                    return Ok(Some((document, (query, page))));
                }
                let Some(next) = query else { return Ok(None) };
                let ViewPage { documents, next: cursor } = next.page().await?;
                page = documents.into_iter();
                query = cursor.map(|cursor| next.after(cursor));
            }
        })
    }

    async fn found(&self, limit: usize) -> Result<Vec<(DocumentPlace, Versioned<V>)>, ViewError> {
        let after = self.after.as_ref().map(|cursor| cursor.place(self.order.index, self.order.direction));
        let query = self.query(after.transpose().map_err(|source| ViewError::Cursor { view: V::NAME, source })?, limit);
        // Which documents enter the result is known to nobody: any of the view may.
        self.views.note(|reads| reads.span(V::NAME, None));
        let source = self.views.source().await?;
        if V::MODE == ViewMode::Live || matches!(source, Source::Older(_)) {
            return Ok(query.page_of(self.folded(&query, &source).await?));
        }
        let found = self.views.store().find_documents(&query).await.map_err(failed::<V>)?;
        self.views.note(|reads| reads.found(|| format!("{query:?}"), || found_bytes(&found)));
        let read = found.into_iter().map(|FoundDocument { document, value }| {
            let place = DocumentPlace { value, key: document.key.clone() };
            Ok((place, self.views.versioned(document)?))
        });
        read.collect::<Result<_, BoxError>>().map_err(failed::<V>)
    }

    /// Those of the documents of a live view, or of the version before, that the filters let pass.
    async fn folded(
        &self,
        query: &DocumentQuery,
        source: &Source,
    ) -> Result<Vec<(DocumentPlace, Versioned<V>)>, ViewError> {
        Limits::default().check_query(query).map_err(failed::<V>)?;
        let mut found = Vec::new();
        let all = match source {
            Source::Older(id) => self.views.older(id).await,
            _ => self.views.fold(None).await,
        };
        for versioned in all.map_err(failed::<V>)? {
            let entries =
                index::entries(Some(&versioned.document)).map_err(|error| failed::<V>(error.into_source()))?;
            found.extend(query.place_of(&versioned.key, &entries).map(|place| (place, versioned)));
        }
        Ok(found)
    }

    fn query(&self, after: Option<DocumentPlace>, limit: usize) -> DocumentQuery {
        DocumentQuery {
            view: self.views.id(),
            filters: self.filters.iter().map(|filter| filter.filter.clone()).collect(),
            order: self.order.index,
            direction: self.order.direction,
            after,
            limit,
        }
    }
}

fn found_bytes(found: &[FoundDocument]) -> Vec<u8> {
    let documents: Vec<Document> = found.iter().map(|found| found.document.clone()).collect();
    bytes_of(&documents)
}

impl<V> Clone for ViewQuery<V> {
    fn clone(&self) -> Self {
        Self {
            views: self.views.clone(),
            filters: self.filters.clone(),
            order: self.order.clone(),
            after: self.after.clone(),
            limit: self.limit,
        }
    }
}

impl<V> fmt::Debug for ViewQuery<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewQuery")
            .field("filters", &self.filters)
            .field("order", &self.order)
            .field("after", &self.after)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
