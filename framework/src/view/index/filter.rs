//! Indexes as values, and the filters and orders that are made from them.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Bound;

use crate::store::{DocumentFilter, ScanDirection, ValueTest};

use super::entries::AtMostOne;
use super::value::{IndexOperand, IndexValue};

/// An index of the view `V` by values of the type `T`. `#[index]` on a field makes one.
///
/// A filter on a field with several values holds where any of them passes.
///
/// ```
/// use annals::prelude::*;
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
/// let of_ann = Parcel::OWNER.is("ann");
/// let heavy = Parcel::WEIGHT.at_least(20);
/// let heaviest_first = Parcel::WEIGHT.descending();
/// ```
pub struct Index<V, T, N = AtMostOne> {
    name: &'static str,
    view: PhantomData<fn() -> V>,
    value: PhantomData<fn() -> (T, N)>,
}

/// What must hold for a document of the view `V`.
#[must_use = "a filter does nothing until a query takes it"]
pub struct Filter<V> {
    pub(in super::super) filter: DocumentFilter,
    view: PhantomData<fn() -> V>,
}

/// In which order documents of the view `V` come.
#[must_use = "an order does nothing until a query takes it"]
pub struct Order<V> {
    pub(in super::super) index: Option<&'static str>,
    pub(in super::super) direction: ScanDirection,
    view: PhantomData<fn() -> V>,
}

impl<V, T, N> Index<V, T, N> {
    /// The index with this name, which is one of [`View::INDEXES`](super::super::View::INDEXES).
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, view: PhantomData, value: PhantomData }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    fn test(&self, test: ValueTest) -> Filter<V> {
        Filter { filter: DocumentFilter { index: self.name, test }, view: PhantomData }
    }

    fn range(&self, from: Bound<String>, to: Bound<String>) -> Filter<V> {
        self.test(ValueTest::Range(from, to))
    }
}

impl<V, T: IndexValue, N> Index<V, T, N> {
    /// The value is `value`.
    pub fn is(&self, value: impl IndexOperand<T>) -> Filter<V> {
        self.any_of([value])
    }

    /// The value is one of `values`; none passes where there are none.
    pub fn any_of<O: IndexOperand<T>>(&self, values: impl IntoIterator<Item = O>) -> Filter<V> {
        let values: BTreeSet<String> = values.into_iter().map(|value| text(&value)).collect();
        self.test(ValueTest::AnyOf(values))
    }

    /// The value is `value` or greater.
    pub fn at_least(&self, value: impl IndexOperand<T>) -> Filter<V> {
        self.range(Bound::Included(text(&value)), Bound::Unbounded)
    }

    /// The value is greater than `value`.
    pub fn above(&self, value: impl IndexOperand<T>) -> Filter<V> {
        self.range(Bound::Excluded(text(&value)), Bound::Unbounded)
    }

    /// The value is `value` or less.
    pub fn at_most(&self, value: impl IndexOperand<T>) -> Filter<V> {
        self.range(Bound::Unbounded, Bound::Included(text(&value)))
    }

    /// The value is less than `value`.
    pub fn below(&self, value: impl IndexOperand<T>) -> Filter<V> {
        self.range(Bound::Unbounded, Bound::Excluded(text(&value)))
    }

    /// The value is `first` or greater, and `last` or less.
    pub fn between(&self, first: impl IndexOperand<T>, last: impl IndexOperand<T>) -> Filter<V> {
        self.range(Bound::Included(text(&first)), Bound::Included(text(&last)))
    }
}

impl<V, N> Index<V, String, N> {
    /// The text begins with `beginning`, letter by letter.
    pub fn starts_with(&self, beginning: &str) -> Filter<V> {
        let end = behind(beginning).map_or(Bound::Unbounded, Bound::Excluded);
        self.range(Bound::Included(beginning.to_owned()), end)
    }
}

impl<V, T> Index<V, T, AtMostOne> {
    /// From the smallest value to the greatest, and by the key where values are the same. Documents without a value are
    /// left out.
    pub fn ascending(&self) -> Order<V> {
        Order { index: Some(self.name), direction: ScanDirection::Ascending, view: PhantomData }
    }

    /// From the greatest value to the smallest, and by the key, backwards, where values are the same. Documents without a
    /// value are left out.
    pub fn descending(&self) -> Order<V> {
        Order { index: Some(self.name), direction: ScanDirection::Descending, view: PhantomData }
    }
}

impl<V> Order<V> {
    /// By the text of the keys, which is the default.
    pub fn keys() -> Self {
        Self { index: None, direction: ScanDirection::Ascending, view: PhantomData }
    }

    /// By the text of the keys, backwards.
    pub fn keys_descending() -> Self {
        Self { direction: ScanDirection::Descending, ..Self::keys() }
    }
}

/// The first text behind all those that begin with `beginning`, if there is any.
fn behind(beginning: &str) -> Option<String> {
    let mut begun: Vec<char> = beginning.chars().collect();
    while let Some(last) = begun.pop() {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            begun.push(next);
            return Some(begun.into_iter().collect());
        }
    }
    None
}

fn text<T: IndexValue>(value: &impl IndexOperand<T>) -> String {
    value.operand_text().into_owned()
}

impl<V, T, N> Clone for Index<V, T, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V, T, N> Copy for Index<V, T, N> {}

impl<V, T, N> fmt::Debug for Index<V, T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Index").field(&self.name).finish()
    }
}

impl<V> Clone for Filter<V> {
    fn clone(&self) -> Self {
        Self { filter: self.filter.clone(), view: PhantomData }
    }
}

impl<V> fmt::Debug for Filter<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.filter.fmt(f)
    }
}

impl<V> Clone for Order<V> {
    fn clone(&self) -> Self {
        Self { view: PhantomData, ..*self }
    }
}

impl<V> fmt::Debug for Order<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order").field("index", &self.index).field("direction", &self.direction).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::behind;

    #[test]
    fn the_end_of_a_beginning_is_a_text_again() {
        assert_eq!(behind("ab").as_deref(), Some("ac"));
        assert_eq!(behind("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(behind("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(behind("\u{10ffff}"), None);
        assert_eq!(behind(""), None);
    }
}
