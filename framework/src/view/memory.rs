//! The documents of a view that a processor has in memory: those of a page, and some of earlier pages.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::store::IndexEntry;

/// Bytes that a document takes besides its body and its key.
const OVERHEAD: usize = 128;

/// Documents by their keys, each with what is known of it.
pub(super) struct Memory<V> {
    documents: HashMap<String, Remembered<V>>,
    /// Bytes of all of them.
    bytes: usize,
    /// The number of the page.
    page: u64,
}

/// A document in memory.
pub(super) struct Remembered<V> {
    /// `None`: there is none with this key.
    pub(super) document: Option<V>,
    /// Its entries under indexes, as they are stored.
    pub(super) entries: BTreeSet<IndexEntry>,
    /// Whether this page has changed it.
    pub(super) changed: bool,
    bytes: usize,
    /// The page that has used it last.
    page: u64,
}

impl<V> Default for Memory<V> {
    fn default() -> Self {
        Self { documents: HashMap::new(), bytes: 0, page: 0 }
    }
}

impl<V> Memory<V> {
    /// Begins a page.
    pub(super) fn turn(&mut self) {
        self.page += 1;
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.documents.contains_key(key)
    }

    /// Adds a document with a stored body of so many bytes.
    pub(super) fn add(&mut self, key: String, document: Option<V>, entries: BTreeSet<IndexEntry>, body: usize) {
        let bytes = OVERHEAD + key.len() + body;
        let added = Remembered { document, entries, changed: false, bytes, page: self.page };
        self.bytes += bytes;
        if let Some(before) = self.documents.insert(key, added) {
            self.bytes -= before.bytes;
        }
    }

    /// The document, to be folded or written.
    pub(super) fn of(&mut self, key: &str) -> Option<&mut Remembered<V>> {
        let found = self.documents.get_mut(key)?;
        found.page = self.page;
        Some(found)
    }

    /// The document is stored with a body of so many bytes, and with these entries.
    pub(super) fn stored(&mut self, key: &str, entries: BTreeSet<IndexEntry>, body: usize) {
        if let Some(found) = self.documents.get_mut(key) {
            let bytes = OVERHEAD + key.len() + body;
            self.bytes = self.bytes - found.bytes + bytes;
            (found.bytes, found.entries, found.changed) = (bytes, entries, false);
        }
    }

    /// What stays of it in `limit` bytes: where it is more, the half of that which was used last.
    pub(super) fn within(mut self, limit: usize) -> Option<Self> {
        if self.bytes > limit {
            let mut pages: BTreeMap<u64, usize> = BTreeMap::new();
            for document in self.documents.values() {
                *pages.entry(document.page).or_default() += document.bytes;
            }
            let mut room = limit / 2;
            let kept = pages.into_iter().rev().take_while(|(_, bytes)| {
                let fits = room.checked_sub(*bytes);
                room = fits.unwrap_or(0);
                fits.is_some()
            });
            let oldest = kept.last().map_or(u64::MAX, |(page, _)| page);
            self.documents.retain(|_, document| document.page >= oldest);
            self.documents.shrink_to_fit();
            self.bytes = self.documents.values().map(|document| document.bytes).sum();
        }
        (!self.documents.is_empty()).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Memory, OVERHEAD};
    use std::collections::BTreeSet;

    const ONE: usize = OVERHEAD + 2;

    fn page(memory: &mut Memory<u32>, keys: &[&str]) {
        memory.turn();
        for key in keys {
            match memory.of(key) {
                Some(_) => memory.stored(key, BTreeSet::new(), 1),
                None => memory.add((*key).to_owned(), Some(1), BTreeSet::new(), 1),
            }
        }
    }

    fn keys(memory: &Memory<u32>) -> BTreeSet<&str> {
        memory.documents.keys().map(String::as_str).collect()
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut memory = Memory::default();
        page(&mut memory, &["a", "b"]);
        page(&mut memory, &["c"]);
        page(&mut memory, &["a"]);
        let memory = memory.within(3 * ONE).unwrap();
        assert_eq!(keys(&memory), BTreeSet::from(["a", "b", "c"]));
        let memory = memory.within(2 * ONE).unwrap();
        assert_eq!((keys(&memory), memory.bytes), (BTreeSet::from(["a"]), ONE));
    }

    #[test]
    fn a_page_that_is_more_than_the_limit_leaves_nothing() {
        let mut memory = Memory::default();
        page(&mut memory, &["a", "b", "c"]);
        assert!(memory.within(2 * ONE).is_none());
        assert!(Memory::<u32>::default().within(0).is_none());
    }

    #[test]
    fn a_document_that_grows_counts_as_it_is() {
        let mut memory = Memory::default();
        page(&mut memory, &["a"]);
        memory.stored("a", BTreeSet::new(), 100);
        assert_eq!(memory.bytes, ONE + 99);
        memory.add("a".to_owned(), None, BTreeSet::new(), 0);
        assert_eq!(memory.bytes, ONE - 1);
    }
}
