//! Bounds on input, checked before anything is written (guarantee 11).

use crate::message::StreamId;

use super::append::Append;
use super::error::AppendError;
use super::exchange::Import;

/// The largest input that a store takes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one event's payload. Default 16 MiB.
    pub payload_bytes: usize,
    /// Bytes of one event's metadata, keys and values together. Default 64 KiB.
    pub metadata_bytes: usize,
    /// Tags of one event. Default 64.
    pub tags: usize,
    /// Bytes of a stored name, a stream id, a category, a tag or a document key. Default 512. None of
    /// them may hold a zero character (U+0000).
    pub name_bytes: usize,
    /// Events of one append. Default 10,000.
    pub events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { payload_bytes: 16 << 20, metadata_bytes: 64 << 10, tags: 64, name_bytes: 512, events: 10_000 }
    }
}

/// An input exceeds a limit. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {actual} {unit}, the limit is {limit}")]
pub struct LimitError {
    /// What is too large.
    pub what: String,
    /// Its size.
    pub actual: usize,
    /// The largest size allowed.
    pub limit: usize,
    /// What is counted.
    pub unit: &'static str,
}

/// Beginnings of categories that belong to the framework.
pub const RESERVED: [&str; 2] = ["$", "annals."];

/// Refuses to append to a stream of the framework's own.
fn check_reserved(stream: &StreamId) -> Result<(), AppendError> {
    match RESERVED.iter().find(|prefix| stream.category().starts_with(**prefix)) {
        Some(prefix) => Err(AppendError::Reserved { stream: stream.clone(), prefix }),
        None => Ok(()),
    }
}

impl Limits {
    /// Checks everything that can be said about `append` without looking at the store: every backend does so before
    /// anything is written.
    ///
    /// # Errors
    /// [`AppendError::Limit`] with the first limit that is exceeded; [`AppendError::Reserved`] for a stream of the
    /// framework's own.
    pub fn admit(&self, append: &Append) -> Result<(), AppendError> {
        self.check(append)?;
        append.events.iter().try_for_each(|event| check_reserved(&event.stream))
    }

    /// Checks the sizes of everything in `append`.
    ///
    /// # Errors
    /// The first limit that is exceeded.
    pub fn check(&self, append: &Append) -> Result<(), LimitError> {
        check("the append", append.events.len(), self.events, "events")?;
        self.name("the tenant", &append.tenant)?;
        for event in &append.events {
            self.name("the name of an event", &event.name)?;
            self.name("the category of a stream", event.stream.category())?;
            self.name("the id of a stream", event.stream.id())?;
            check_named("the payload", event, event.payload.len(), self.payload_bytes, "bytes")?;
            check_named("the tag list", event, event.tags.len(), self.tags, "tags")?;
            let metadata = event.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
            check_named("the metadata", event, metadata, self.metadata_bytes, "bytes")?;
            for tag in &event.tags {
                check_named("a tag", event, tag.key().len() + tag.value().len(), self.name_bytes, "bytes")?;
                check_named("a tag", event, zeros(tag.key()) + zeros(tag.value()), 0, "zero characters")?;
            }
        }
        for (stream, _) in &append.expected {
            self.name("the category of a stream", stream.category())?;
            self.name("the id of a stream", stream.id())?;
        }
        for write in &append.snapshots {
            check("the state of a snapshot", write.state.len(), self.payload_bytes, "bytes")?;
            self.name("the schema of a snapshot", &write.schema)?;
        }
        for write in &append.documents {
            self.check_document_key(&write.key)?;
        }
        Ok(())
    }

    /// Checks the sizes of everything in `import`.
    ///
    /// # Errors
    /// The first limit that is exceeded.
    pub fn check_import(&self, import: &Import) -> Result<(), LimitError> {
        check("the import", import.events.len(), self.events, "events")?;
        for event in &import.events {
            self.name("the tenant", &event.tenant)?;
            self.name("the name of an event", &event.name)?;
            self.name("the category of a stream", event.stream.category())?;
            self.name("the id of a stream", event.stream.id())?;
            check("the payload of an event", event.payload.len(), self.payload_bytes, "bytes")?;
            check("the tag list of an event", event.tags.len(), self.tags, "tags")?;
            for tag in &event.tags {
                check("a tag", tag.key().len() + tag.value().len(), self.name_bytes, "bytes")?;
                check("a tag", zeros(tag.key()) + zeros(tag.value()), 0, "zero characters")?;
            }
        }
        Ok(())
    }

    /// Checks the key of a document, which may come from what an event says.
    ///
    /// # Errors
    /// When it is too long, or holds a zero character.
    pub fn check_document_key(&self, key: &str) -> Result<(), LimitError> {
        self.name("the key of a document", key)
    }

    fn name(&self, what: &str, name: &str) -> Result<(), LimitError> {
        check(what, name.len(), self.name_bytes, "bytes")?;
        check(what, zeros(name), 0, "zero characters")
    }
}

/// Zero characters (U+0000) in `text`. No database keeps them faithfully in its texts.
fn zeros(text: &str) -> usize {
    if text.as_bytes().contains(&0) { text.bytes().filter(|byte| *byte == 0).count() } else { 0 }
}

fn check_named(
    what: &str,
    event: &super::append::NewEvent,
    actual: usize,
    limit: usize,
    unit: &'static str,
) -> Result<(), LimitError> {
    if actual > limit { check(&format!("{what} of `{}`", event.name), actual, limit, unit) } else { Ok(()) }
}

fn check(what: &str, actual: usize, limit: usize, unit: &'static str) -> Result<(), LimitError> {
    if actual > limit { Err(LimitError { what: what.to_owned(), actual, limit, unit }) } else { Ok(()) }
}
