//! The entries that a document has under the indexes of its view.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use crate::handler::HandlerError;
use crate::store::{IndexChange, IndexEntry, Limits};

use super::super::View;
use super::value::IndexValue;

/// What an indexed field may be: a value, an `Option` of one, or a list or set of them.
#[diagnostic::on_unimplemented(
    message = "a field of the type `{Self}` cannot be indexed",
    label = "expected a number, a text, `bool`, `Timestamp`, an id, or an `Option`, `Vec` or set of such values",
    note = "`#[derive(IndexValue)]` on a struct around one value, or on an enum of plain names, makes it such a value"
)]
pub trait Indexed {
    /// What documents are found by.
    type Value: IndexValue;
    /// [`AtMostOne`] or [`Several`].
    type Count;

    /// The values of the field.
    fn values(&self) -> impl Iterator<Item = &Self::Value>;
}

/// A document has at most one value under the index, so that documents can be ordered by it.
#[derive(Debug, Clone, Copy)]
pub enum AtMostOne {}

/// A document may have several values under the index.
#[derive(Debug, Clone, Copy)]
pub enum Several {}

impl<T: IndexValue> Indexed for T {
    type Value = T;
    type Count = AtMostOne;

    fn values(&self) -> impl Iterator<Item = &T> {
        std::iter::once(self)
    }
}

impl<T: IndexValue> Indexed for Option<T> {
    type Value = T;
    type Count = AtMostOne;

    fn values(&self) -> impl Iterator<Item = &T> {
        self.iter()
    }
}

impl<T: IndexValue> Indexed for Vec<T> {
    type Value = T;
    type Count = Several;

    fn values(&self) -> impl Iterator<Item = &T> {
        self.iter()
    }
}

impl<T: IndexValue> Indexed for BTreeSet<T> {
    type Value = T;
    type Count = Several;

    fn values(&self) -> impl Iterator<Item = &T> {
        self.iter()
    }
}

impl<T: IndexValue, S> Indexed for HashSet<T, S> {
    type Value = T;
    type Count = Several;

    fn values(&self) -> impl Iterator<Item = &T> {
        self.iter()
    }
}

/// Collects the entries of a document; see [`View::index`].
#[derive(Default)]
pub struct IndexEntries(BTreeSet<IndexEntry>);

impl IndexEntries {
    /// Adds what `field` holds under `index`.
    pub fn add(&mut self, index: &'static str, field: &impl Indexed) {
        self.0.extend(field.values().map(|value| IndexEntry::new(index, value.index_text())));
    }
}

impl fmt::Debug for IndexEntries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.0).finish()
    }
}

/// The entries of a document; none where there is none.
///
/// # Errors
/// When a value is too long, or there are too many.
pub(in super::super) fn entries<V: View>(document: Option<&V>) -> Result<BTreeSet<IndexEntry>, HandlerError> {
    let mut entries = IndexEntries::default();
    if let Some(document) = document.filter(|_| !V::INDEXES.is_empty()) {
        document.index(&mut entries);
        Limits::default().check_index(&entries.0)?;
    }
    Ok(entries.0)
}

/// What changes among the entries of a document that becomes another one.
pub(in super::super) fn change<V: View>(
    before: &BTreeSet<IndexEntry>,
    after: Option<&V>,
) -> Result<IndexChange, HandlerError> {
    if V::INDEXES.is_empty() {
        return Ok(IndexChange::default());
    }
    Ok(IndexChange::between(before, &entries(after)?))
}
