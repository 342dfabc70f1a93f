//! What the handler of a query reads, so that others can tell whether its answer may have changed.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

/// What one run of a handler has read. A document is noted before it is read: a change of it that the run does not see
/// is one that comes after the note.
#[derive(Debug)]
pub(crate) struct Reads {
    fingerprints: Fingerprints,
    state: Mutex<State>,
}

/// Whether what was read is fingerprinted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fingerprints {
    /// Only what was asked for is noted.
    Without,
    /// What was found is noted too.
    With,
}

#[derive(Debug, Default)]
struct State {
    views: BTreeMap<&'static str, Touched>,
    /// What each request found.
    found: BTreeMap<String, Uuid>,
    /// Whether the answer may depend on more than documents.
    beside: bool,
}

#[derive(Debug, Default)]
struct Touched {
    keys: HashSet<String>,
    spans: Vec<Span>,
}

/// Keys between two others; without an end all that follow.
#[derive(Debug, PartialEq, Eq)]
struct Span {
    after: Option<String>,
    last: Option<String>,
}

impl Touched {
    /// Whether any of the sorted `keys` was read. Most handlers have read less than a page changes.
    fn has_any(&self, keys: &[String]) -> bool {
        let one_by_one = if self.keys.len() < keys.len() {
            self.keys.iter().any(|key| keys.binary_search(key).is_ok())
        } else {
            keys.iter().any(|key| self.keys.contains(key))
        };
        one_by_one || self.spans.iter().any(|span| span.has_any(keys))
    }
}

impl Span {
    fn has_any(&self, keys: &[String]) -> bool {
        let begin = self.after.as_deref().map_or(0, |after| keys.partition_point(|key| key.as_str() <= after));
        keys.get(begin).is_some_and(|first| self.last.as_deref().is_none_or(|last| first.as_str() <= last))
    }
}

impl Reads {
    pub(crate) fn new(fingerprints: Fingerprints) -> Self {
        Self { fingerprints, state: Mutex::default() }
    }

    /// The document `key` of `view` is about to be read.
    pub(crate) fn key(&self, view: &'static str, key: &str) {
        self.state().views.entry(view).or_default().keys.insert(key.to_owned());
    }

    /// The documents of `view` after a key are about to be read.
    pub(crate) fn span(&self, view: &'static str, after: Option<&str>) {
        let span = Span { after: after.map(str::to_owned), last: None };
        self.state().views.entry(view).or_default().spans.push(span);
    }

    /// What was read after a key ended with the key `last`: what lies behind it does not matter.
    pub(crate) fn span_ends(&self, view: &'static str, after: Option<&str>, last: &str) {
        let mut state = self.state();
        let spans = state.views.get_mut(view).map(|touched| &mut touched.spans);
        let open =
            spans.and_then(|spans| spans.iter_mut().find(|span| span.last.is_none() && span.after.as_deref() == after));
        if let Some(span) = open {
            span.last = Some(last.to_owned());
        }
    }

    /// `request` has found `bytes`.
    pub(crate) fn found(&self, request: impl FnOnce() -> String, bytes: impl FnOnce() -> Vec<u8>) {
        if self.fingerprints == Fingerprints::Without {
            return;
        }
        let (request, found) = (request(), Uuid::new_v5(&Uuid::nil(), &bytes()));
        let mut state = self.state();
        let before = state.found.insert(request, found);
        // A document that changed while the handler ran: nobody knows which of the two the answer rests on.
        state.beside |= before.is_some_and(|before| before != found);
    }

    /// The handler has taken something that is no document, or may have.
    pub(crate) fn beside(&self) {
        self.state().beside = true;
    }

    /// Whether a change of the documents `keys` of `view` concerns what was read. The keys are sorted; without them any
    /// document may have changed.
    pub(crate) fn touches(&self, view: &str, keys: Option<&[String]>) -> bool {
        let state = self.state();
        let Some(touched) = state.views.get(view) else { return false };
        keys.is_none_or(|keys| touched.has_any(keys))
    }

    /// The views of which something was read.
    pub(crate) fn views(&self) -> Vec<&'static str> {
        self.state().views.keys().copied().collect()
    }

    /// A fingerprint of everything that was read; `None` where the answer may depend on more.
    pub(crate) fn fingerprint(&self) -> Option<Uuid> {
        let state = self.state();
        if state.beside || self.fingerprints == Fingerprints::Without {
            return None;
        }
        let mut all = Vec::new();
        for (request, found) in &state.found {
            all.extend_from_slice(&(request.len() as u64).to_be_bytes());
            all.extend_from_slice(request.as_bytes());
            all.extend_from_slice(found.as_bytes());
        }
        Some(Uuid::new_v5(&Uuid::nil(), &all))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn only_the_documents_that_were_read_matter() {
        let reads = Reads::new(Fingerprints::Without);
        reads.key("sums", "b");
        assert!(reads.touches("sums", Some(&keys(&["a", "b"]))));
        assert!(!reads.touches("sums", Some(&keys(&["a", "c"]))));
        assert!(!reads.touches("sums", Some(&[])));
        assert!(!reads.touches("others", Some(&keys(&["b"]))));
        assert!(reads.touches("sums", None), "nobody knows which documents changed");
        assert!(!reads.touches("others", None));
    }

    #[test]
    fn a_page_ends_where_its_last_document_ends() {
        let reads = Reads::new(Fingerprints::Without);
        reads.span("sums", Some("b"));
        assert!(reads.touches("sums", Some(&keys(&["z"]))), "until the page is read all that follows matters");
        reads.span_ends("sums", Some("b"), "f");
        for (key, matters) in [("b", false), ("c", true), ("f", true), ("g", false)] {
            assert_eq!(reads.touches("sums", Some(&keys(&[key]))), matters, "{key}");
        }
        assert!(reads.touches("sums", Some(&keys(&["a", "e", "z"]))));
        assert!(!reads.touches("sums", Some(&keys(&["a", "b", "g", "z"]))));
    }

    #[test]
    fn what_was_found_has_a_fingerprint_unless_something_else_was_read() {
        let read = |found: &[(&str, &str)]| {
            let reads = Reads::new(Fingerprints::With);
            for (request, found) in found {
                reads.found(|| (*request).to_owned(), || found.as_bytes().to_vec());
            }
            reads
        };
        let (one, two) = (read(&[("a", "1"), ("b", "2")]), read(&[("b", "2"), ("a", "1")]));
        assert_eq!(one.fingerprint(), two.fingerprint(), "the order does not matter");
        assert_ne!(one.fingerprint(), read(&[("a", "1"), ("b", "3")]).fingerprint());
        assert_ne!(one.fingerprint(), read(&[("a", "1")]).fingerprint());
        assert_eq!(read(&[("a", "1"), ("a", "2")]).fingerprint(), None, "a document that changed meanwhile");
        one.beside();
        assert_eq!(one.fingerprint(), None);
    }
}
