//! Tags of answers, by which a caller that has an answer is not sent it again.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use uuid::Uuid;

use crate::handler::{Fingerprints, Reads};
use crate::message::{EventId, Query};
use crate::view::{ViewMode, Written};

use super::QueryError;
use super::bus::Parts;
use super::route::Route;

/// Stands for one answer to one query: a short text that says nothing to others, usable as an HTTP `ETag`.
///
/// # Which answers have one
/// Those of a handler whose only parameters besides the query are [`Views`](crate::Views) of asynchronous and inline views,
/// and which takes no `&self`, unless of a type without fields. A handler that takes anything else (the time, metadata, a
/// pool) may answer otherwise from the same documents, and so may one that reads a live view: their answers have no tag. What
/// a handler reads without naming it as a parameter, such as a `static`, is not seen.
///
/// # When it holds
/// While no document of the views was written since, which is found out by reading one small record for each view; or else
/// while the handler reads the same documents with the same content. It holds for one query with the fields that it had,
/// told apart by `Hash`, and for one tenant. It holds in the process that gave it, unless
/// [`QueryConfig::build`](super::QueryConfig::build) names the program's build.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ETag(String);

impl ETag {
    /// Reads a tag, as plain text or as the value of an HTTP header, which stands in quotes and may be marked as weak. Any
    /// other text is a tag that no answer has.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.trim();
        let text = text.strip_prefix("W/").unwrap_or(text);
        Self(text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).to_owned())
    }

    /// The plain text: 65 letters, digits and a hyphen.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value of an HTTP `ETag` header, in quotes.
    #[must_use]
    pub fn header_value(&self) -> String {
        format!("\"{}\"", self.0)
    }

    /// Whether both stand for the same answer, though documents that it does not depend on have changed in between.
    pub(super) fn has_same_answer(&self, other: &Self) -> bool {
        let content = |etag: &Self| etag.0.split_once('-').map(|(_, content)| content.to_owned());
        content(self).is_some_and(|own| content(other) == Some(own))
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What tags of the build `name` begin with; without a name, those of this process.
pub(crate) fn build_id(name: Option<&str>) -> Uuid {
    match name {
        Some(name) => Uuid::new_v5(&Uuid::nil(), name.as_bytes()),
        None => EventId::new().uuid(),
    }
}

/// A query with its fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity(Uuid);

impl Identity {
    pub(super) fn of<Q: Query + Hash>(query: &Q) -> Self {
        let mut bytes = Bytes(Q::NAME.as_bytes().to_vec());
        bytes.0.push(0);
        query.hash(&mut bytes);
        Self(Uuid::new_v5(&Uuid::nil(), &bytes.0))
    }
}

/// Keeps what is hashed.
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        // A `Hash` that asks in between hashes what it gets, and nothing is lost if that is always the same.
        self.0.len() as u64
    }
}

/// What an answer rests on, before it is asked for.
pub(super) struct Basis {
    /// The query, the tenant and the build.
    identity: Uuid,
    /// The state of the views; `None` where it cannot be told by a look.
    state: Option<Uuid>,
    /// The views that the handler asks for.
    views: Vec<&'static str>,
}

impl Basis {
    pub(super) async fn read(parts: &Parts, route: &Route, query: Identity) -> Result<Self, QueryError> {
        let tenant = Uuid::new_v5(&parts.build, parts.journal.tenant().as_bytes());
        let identity = Uuid::new_v5(&tenant, query.0.as_bytes());
        let views = route.views.iter().map(|view| view.name).collect();
        let mut state = String::new();
        for view in &route.views {
            let number = match view.mode {
                ViewMode::Asynchronous => {
                    Written::read(&parts.journal, &view.id).await.map_err(QueryError::failed)?.changes
                }
                ViewMode::Inline => parts.journal.store().head().await.map_err(QueryError::failed)?.get(),
                ViewMode::Live => return Ok(Self { identity, state: None, views }),
            };
            state.push_str(&format!("{}={number};", view.id));
        }
        let state = (!state.is_empty()).then(|| Uuid::new_v5(&identity, state.as_bytes()));
        Ok(Self { identity, state, views })
    }

    /// Whether the answer with the tag `known` is the answer now.
    pub(super) fn still_holds(&self, known: &ETag) -> bool {
        let text = self.state.map(|state| format!("{}-", state.simple()));
        text.is_some_and(|text| known.0.starts_with(&text))
    }

    /// Notes what the handler reads.
    pub(super) fn reads(&self) -> Arc<Reads> {
        Arc::new(Reads::new(Fingerprints::With))
    }

    /// The tag of an answer that rests on `reads`.
    pub(super) fn tag(&self, reads: &Reads) -> Option<ETag> {
        let (state, content, read) = (self.state?, reads.fingerprint()?, reads.views());
        // A view that the handler has got at without asking for it was not looked at.
        let known = !read.is_empty() && read.iter().all(|view| self.views.contains(view));
        let content = Uuid::new_v5(&self.identity, content.as_bytes());
        known.then(|| ETag(format!("{}-{}", state.simple(), content.simple())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_from_a_header_too() {
        let etag = ETag("ab-cd".to_owned());
        for text in ["ab-cd", "\"ab-cd\"", "W/\"ab-cd\"", " \"ab-cd\" "] {
            assert_eq!(ETag::new(text), etag, "{text}");
        }
        assert_eq!(ETag::new(&etag.header_value()), etag);
    }

    #[test]
    fn tags_stand_for_the_same_answer_by_their_content() {
        let etag = |text: &str| ETag(text.to_owned());
        assert!(etag("a-c").has_same_answer(&etag("b-c")));
        assert!(!etag("a-c").has_same_answer(&etag("a-d")));
        assert!(!etag("ac").has_same_answer(&etag("bc")), "no tag of ours");
    }
}
