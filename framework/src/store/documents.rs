//! How documents are written and found: their entries under the indexes of a view, and queries over them.
//!
//! An index entry says that a document has a value under an index. Values are texts whose byte order is the order of what
//! they stand for. A store keeps the entries and finds documents by them; [`DocumentQuery::place_of`] says, once for
//! every store, what a query means.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::records::{Document, ViewId};

/// A document has `value` under `index`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexEntry {
    /// Name of the index, unique in its view.
    pub index: &'static str,
    /// The value, in a form whose bytes are in the order of the values.
    pub value: String,
}

impl IndexEntry {
    /// An entry with `value` under `index`.
    pub fn new(index: &'static str, value: impl Into<String>) -> Self {
        Self { index, value: value.into() }
    }
}

/// What changes among the entries of a document when it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexChange {
    /// Entries that it has no longer.
    pub removed: Vec<IndexEntry>,
    /// Entries that it has now.
    pub added: Vec<IndexEntry>,
}

impl IndexChange {
    /// What leads from the entries `before` to those `after`.
    #[must_use]
    pub fn between(before: &BTreeSet<IndexEntry>, after: &BTreeSet<IndexEntry>) -> Self {
        Self {
            removed: before.difference(after).cloned().collect(),
            added: after.difference(before).cloned().collect(),
        }
    }

    /// A change that adds `entries`.
    #[must_use]
    pub fn adding(entries: impl IntoIterator<Item = IndexEntry>) -> Self {
        Self { removed: Vec::new(), added: entries.into_iter().collect() }
    }

    /// A change that removes `entries`.
    #[must_use]
    pub fn removing(entries: impl IntoIterator<Item = IndexEntry>) -> Self {
        Self { removed: entries.into_iter().collect(), added: Vec::new() }
    }

    /// Makes the change in a set of entries.
    pub fn apply_to(&self, entries: &mut BTreeSet<IndexEntry>) {
        for entry in &self.removed {
            entries.remove(entry);
        }
        entries.extend(self.added.iter().cloned());
    }
}

/// A document to write in a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentChange {
    /// The document's key.
    pub key: String,
    /// The new body; `None` removes the document.
    pub body: Option<Vec<u8>>,
    /// What changes among its entries.
    pub index: IndexChange,
}

impl DocumentChange {
    /// Writes a document without entries.
    pub fn put(key: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), body: Some(body.into()), index: IndexChange::default() }
    }

    /// Removes a document without entries.
    pub fn remove(key: impl Into<String>) -> Self {
        Self { key: key.into(), body: None, index: IndexChange::default() }
    }

    /// The same with a change of its entries.
    #[must_use]
    pub fn with_index(self, index: IndexChange) -> Self {
        Self { index, ..self }
    }
}

/// An entry with its owner: view, index, value and key, in the order of the table's primary key.
#[cfg_attr(not(feature = "_sql"), allow(dead_code, reason = "for databases"))]
pub(crate) type OwnedEntry<'a> = (&'a ViewId, &'a str, &'a str, &'a str);

/// What changes, one after the other, come to: whether each entry that they name is there in the end. Sorted, so that
/// two transactions wait for each other in the same order.
#[cfg_attr(not(feature = "_sql"), allow(dead_code, reason = "for databases"))]
pub(crate) fn composed<'a>(
    changes: impl IntoIterator<Item = (&'a ViewId, &'a str, &'a IndexChange)>,
) -> BTreeMap<OwnedEntry<'a>, bool> {
    let mut entries = BTreeMap::new();
    for (view, key, change) in changes {
        for (list, there) in [(&change.removed, false), (&change.added, true)] {
            entries.extend(list.iter().map(|entry| ((view, entry.index, entry.value.as_str(), key), there)));
        }
    }
    entries
}

/// Asks for documents of a view by their entries, in an order, a page at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentQuery {
    /// The view.
    pub view: ViewId,
    /// What must hold for a document, all of it.
    pub filters: Vec<DocumentFilter>,
    /// The index by whose value documents are ordered, and by their key where it is the same; `None` orders by the key
    /// alone. A document without an entry under the index is not found. It is an index with at most one entry for each
    /// document.
    pub order: Option<&'static str>,
    /// Which way.
    pub direction: ScanDirection,
    /// The page begins behind this place.
    pub after: Option<DocumentPlace>,
    /// Documents of the page at most.
    pub limit: usize,
}

/// A condition on the entries of a document under one index: any of them passes the test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentFilter {
    /// The index.
    pub index: &'static str,
    /// The test.
    pub test: ValueTest,
}

/// A test of an indexed value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueTest {
    /// The value is one of these.
    AnyOf(BTreeSet<String>),
    /// The value lies between these.
    Range(Bound<String>, Bound<String>),
}

/// Which way a page goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScanDirection {
    /// From the smallest to the greatest.
    #[default]
    Ascending,
    /// From the greatest to the smallest.
    Descending,
}

/// The place of a document in the order of a query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentPlace {
    /// Its value under the index of the order; empty where the order is that of the keys.
    pub value: String,
    /// Its key.
    pub key: String,
}

/// A document, and its place in the order of the query that has found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundDocument {
    /// The document.
    pub document: Document,
    /// Its value under the index of the order; empty where the order is that of the keys.
    pub value: String,
}

impl ValueTest {
    /// Whether `value` passes.
    #[must_use]
    pub fn holds(&self, value: &str) -> bool {
        match self {
            Self::AnyOf(values) => values.contains(value),
            Self::Range(from, to) => {
                (match from {
                    Bound::Included(from) => value >= from.as_str(),
                    Bound::Excluded(from) => value > from.as_str(),
                    Bound::Unbounded => true,
                }) && (match to {
                    Bound::Included(to) => value <= to.as_str(),
                    Bound::Excluded(to) => value < to.as_str(),
                    Bound::Unbounded => true,
                })
            }
        }
    }

    /// The values that it names.
    pub(crate) fn values(&self) -> Vec<&String> {
        match self {
            Self::AnyOf(values) => values.iter().collect(),
            Self::Range(from, to) => [from, to]
                .into_iter()
                .filter_map(|bound| match bound {
                    Bound::Included(value) | Bound::Excluded(value) => Some(value),
                    Bound::Unbounded => None,
                })
                .collect(),
        }
    }
}

impl DocumentQuery {
    /// All documents of `view` in the order of their keys, at most `limit` of them.
    #[must_use]
    pub fn all(view: ViewId, limit: usize) -> Self {
        Self { view, filters: Vec::new(), order: None, direction: ScanDirection::Ascending, after: None, limit }
    }

    /// The same with a filter more.
    #[must_use]
    pub fn filter(mut self, index: &'static str, test: ValueTest) -> Self {
        self.filters.push(DocumentFilter { index, test });
        self
    }

    /// The same in the order of the values under `index`.
    #[must_use]
    pub fn order_by(self, index: &'static str, direction: ScanDirection) -> Self {
        Self { order: Some(index), direction, ..self }
    }

    /// The same behind `place`.
    #[must_use]
    pub fn after(self, place: DocumentPlace) -> Self {
        Self { after: Some(place), ..self }
    }

    /// Where the document `key` with these `entries` stands in the order; `None` where it does not pass the filters, or
    /// has no value to be ordered by. The start and the limit of the page play no part.
    #[must_use]
    pub fn place_of(&self, key: &str, entries: &BTreeSet<IndexEntry>) -> Option<DocumentPlace> {
        let value = match self.order {
            None => String::new(),
            Some(order) => entries.iter().find(|entry| entry.index == order)?.value.clone(),
        };
        let passes = self
            .filters
            .iter()
            .all(|filter| entries.iter().any(|entry| entry.index == filter.index && filter.test.holds(&entry.value)));
        passes.then(|| DocumentPlace { value, key: key.to_owned() })
    }

    /// Those of the places that are on the page, in order.
    #[must_use]
    pub fn page_of<T>(&self, found: impl IntoIterator<Item = (DocumentPlace, T)>) -> Vec<(DocumentPlace, T)> {
        let mut page: Vec<_> = found.into_iter().filter(|(place, _)| self.is_ahead(place)).collect();
        page.sort_by(|(one, _), (other, _)| match self.direction {
            ScanDirection::Ascending => one.cmp(other),
            ScanDirection::Descending => other.cmp(one),
        });
        page.truncate(self.limit);
        page
    }

    fn is_ahead(&self, place: &DocumentPlace) -> bool {
        self.after.as_ref().is_none_or(|after| match self.direction {
            ScanDirection::Ascending => place > after,
            ScanDirection::Descending => place < after,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(values: &[(&'static str, &str)]) -> BTreeSet<IndexEntry> {
        values.iter().map(|(index, value)| IndexEntry::new(index, *value)).collect()
    }

    #[test]
    fn a_change_leads_from_one_set_of_entries_to_the_other() {
        let (before, after) = (entries(&[("a", "1"), ("b", "2")]), entries(&[("a", "1"), ("b", "3"), ("c", "4")]));
        let change = IndexChange::between(&before, &after);
        assert_eq!(change.removed, [IndexEntry::new("b", "2")]);
        assert_eq!(change.added, [IndexEntry::new("b", "3"), IndexEntry::new("c", "4")]);
        let mut changed = before;
        change.apply_to(&mut changed);
        assert_eq!(changed, after);
    }

    #[test]
    fn of_several_changes_the_last_word_on_an_entry_counts() {
        let view = ViewId { tenant: String::new(), name: "v".to_owned(), version: 1 };
        let (one, two) = (IndexEntry::new("a", "1"), IndexEntry::new("a", "2"));
        let changes = [
            IndexChange { removed: vec![one.clone()], added: vec![two.clone()] },
            IndexChange { removed: vec![two], added: vec![one] },
        ];
        let all = composed(changes.iter().map(|change| (&view, "k", change)));
        let all: Vec<_> = all.into_iter().map(|((_, _, value, _), there)| (value, there)).collect();
        assert_eq!(all, [("1", true), ("2", false)]);
    }

    #[test]
    fn a_document_is_found_once_by_any_of_its_entries_and_not_without_a_value_to_order_by() {
        let view = ViewId { tenant: String::new(), name: "v".to_owned(), version: 1 };
        let query = DocumentQuery::all(view, 10)
            .filter("label", ValueTest::Range(Bound::Included("b".into()), Bound::Excluded("d".into())))
            .order_by("total", ScanDirection::Ascending);
        let labelled = entries(&[("label", "b"), ("label", "c"), ("total", "7")]);
        let place = query.place_of("k", &labelled);
        assert_eq!(place, Some(DocumentPlace { value: "7".into(), key: "k".into() }));
        assert_eq!(query.place_of("k", &entries(&[("label", "b")])), None);
        assert_eq!(query.place_of("k", &entries(&[("label", "d"), ("total", "7")])), None);
    }
}
