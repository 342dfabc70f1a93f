//! Bounds on input, checked before anything is written (guarantee 11).

use crate::message::{StreamId, Tag};

use super::append::{Append, Outcome};
use super::criteria::Criteria;
use super::documents::{DocumentQuery, IndexEntry};
use super::error::AppendError;
use super::exchange::Import;
use super::read::{Read, Scope};
use super::records::Snapshot;
use super::sagas::Effect;

/// The largest input that a store takes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one event's payload; of the state of a snapshot, of a document of an inline view, and of the answer that
    /// is recorded for a command as well. Default 16 MiB; on MySQL and MariaDB at most what the server takes at once
    /// (`max_allowed_packet`), less half a MiB.
    pub payload_bytes: usize,
    /// Bytes of one event's metadata, keys and values together. Default 64 KiB.
    pub metadata_bytes: usize,
    /// Tags of one event. Default 64.
    pub tags: usize,
    /// Bytes of a stored name, a stream id, a category, a tag or a document key. Default 512. None of
    /// them may hold a zero character (U+0000), and the key of a tag no colon.
    pub name_bytes: usize,
    /// Bytes of a value under an index of a view, in the form in which it is kept: texts as they are, numbers as at most 21
    /// digits. Default 512. It may hold no zero character (U+0000).
    pub index_value_bytes: usize,
    /// Entries of one document under the indexes of its view. Default 1,000.
    pub index_entries: usize,
    /// Events of one append. Default 10,000.
    pub events: usize,
    /// Criteria of one read or condition, joined by "or". Default 256.
    pub criteria: usize,
    /// Names of one criterion. Default 1,000.
    pub criterion_names: usize,
    /// Subscriptions of one tenant. Default 1,000. Their names have at most [`Limits::name_bytes`].
    pub subscriptions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes: 16 << 20,
            metadata_bytes: 64 << 10,
            tags: 64,
            name_bytes: 512,
            index_value_bytes: 512,
            index_entries: 1_000,
            events: 10_000,
            criteria: 256,
            criterion_names: 1_000,
            subscriptions: 1_000,
        }
    }
}

/// An input exceeds a limit. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {actual} {}, the limit is {limit}", counted(.unit, *.actual))]
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

/// Characters of a name that an error shows.
const SHOWN: usize = 60;

/// Bytes of the name of an index at most.
const INDEX_NAME_BYTES: usize = 128;

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
            self.check_stream(&event.stream)?;
            check_of("the payload of", &event.name, event.payload.len(), self.payload_bytes, "bytes")?;
            check_of("the tag list of", &event.name, event.tags.len(), self.tags, "tags")?;
            let metadata = event.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
            check_of("the metadata of", &event.name, metadata, self.metadata_bytes, "bytes")?;
            event.tags.iter().try_for_each(|tag| self.tag(tag))?;
        }
        append.expected.iter().try_for_each(|(stream, _)| self.check_stream(stream))?;
        if let Some(condition) = &append.condition {
            self.check_criteria("the condition", &condition.criteria)?;
        }
        for write in &append.snapshots {
            check("the state of a snapshot", write.state.len(), self.payload_bytes, "bytes")?;
            self.name("the schema of a snapshot", &write.schema)?;
        }
        for write in &append.documents {
            self.check_document_key(&write.key)?;
            let bytes = write.document.as_ref().map_or(0, Vec::len);
            check_of("the document of", &write.key, bytes, self.payload_bytes, "bytes")?;
            self.check_index(&write.index.added)?;
        }
        for write in &append.effects {
            self.check_effect_name(&write.scope, &write.label)?;
            write.effect.iter().try_for_each(|effect| self.check_effect(effect))?;
        }
        if let Some(command) = &append.command {
            let (Outcome::Done(answer) | Outcome::Rejected(answer)) = &command.outcome;
            check_of("the answer of", &command.name, answer.len(), self.payload_bytes, "bytes")?;
        }
        Ok(())
    }

    /// Checks what `read` asks for. What no store takes cannot be found in one either, and is refused before a database
    /// is asked.
    ///
    /// # Errors
    /// The first limit that is exceeded.
    pub fn check_read(&self, read: &Read) -> Result<(), LimitError> {
        self.name("the tenant", &read.tenant)?;
        match &read.scope {
            Scope::All { .. } => {}
            Scope::Category { category, .. } => self.name("the category", category)?,
            Scope::Stream { stream, .. } => self.check_stream(stream)?,
        }
        read.criteria.as_ref().map_or(Ok(()), |criteria| self.check_criteria("the read", criteria))
    }

    /// Checks the name of a stream.
    ///
    /// # Errors
    /// When it is too long, or holds a zero character.
    pub fn check_stream(&self, stream: &StreamId) -> Result<(), LimitError> {
        self.name("the category of a stream", stream.category())?;
        self.name("the id of a stream", stream.id())
    }

    /// Checks a snapshot that is kept by itself.
    ///
    /// # Errors
    /// The first limit that is exceeded.
    pub fn check_snapshot(&self, stream: &StreamId, snapshot: &Snapshot) -> Result<(), LimitError> {
        self.check_stream(stream)?;
        self.name("the schema of a snapshot", &snapshot.schema)?;
        check_of("the snapshot of", &stream.to_string(), snapshot.state.len(), self.payload_bytes, "bytes")
    }

    fn check_criteria(&self, what: &str, criteria: &Criteria) -> Result<(), LimitError> {
        check(what, criteria.any_of().len(), self.criteria, "criteria")?;
        for criterion in criteria.any_of() {
            check("a criterion", criterion.any_of_names().len(), self.criterion_names, "names")?;
            check("a criterion", criterion.all_of_tags().len(), self.tags, "tags")?;
            criterion.any_of_names().iter().try_for_each(|name| self.name("the name in a criterion", name))?;
            criterion.all_of_tags().iter().try_for_each(|tag| self.tag(tag))?;
        }
        Ok(())
    }

    fn tag(&self, tag: &Tag) -> Result<(), LimitError> {
        let name = tag.to_string();
        check_of("the tag", &name, tag.key().len() + tag.value().len(), self.name_bytes, "bytes")?;
        check_of("the tag", &name, zeros(tag.key()) + zeros(tag.value()), 0, "zero characters")?;
        check_of("the key of the tag", &name, colons(tag.key()), 0, "colons")
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
            self.check_stream(&event.stream)?;
            check("the payload of an event", event.payload.len(), self.payload_bytes, "bytes")?;
            check("the tag list of an event", event.tags.len(), self.tags, "tags")?;
            let metadata = event.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
            check("the metadata of an event", metadata, self.metadata_bytes, "bytes")?;
            event.tags.iter().try_for_each(|tag| self.tag(tag))?;
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

    /// Checks what is to be sent later.
    ///
    /// # Errors
    /// When its payload, its metadata or its name are too large.
    pub fn check_effect(&self, effect: &Effect) -> Result<(), LimitError> {
        let carried = effect.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
        check(&format!("the payload of `{}`", effect.name), effect.payload.len(), self.payload_bytes, "bytes")?;
        check(&format!("the metadata of `{}`", effect.name), carried, self.metadata_bytes, "bytes")?;
        let (scope, label) = (effect.scope.as_deref(), effect.label.as_deref());
        self.check_effect_name(scope.unwrap_or_default(), label.unwrap_or_default())
    }

    /// Checks the scope of a deadline, and its name. A scope has room for a category and an id.
    ///
    /// # Errors
    /// When one is too long, or holds a zero character.
    pub fn check_effect_name(&self, scope: &str, label: &str) -> Result<(), LimitError> {
        check("the scope of a deadline", scope.len(), 2 * self.name_bytes + 1, "bytes")?;
        check("the scope of a deadline", zeros(scope), 0, "zero characters")?;
        self.name("the name of a deadline", label)
    }

    /// Checks the name of a subscription.
    ///
    /// # Errors
    /// When it is too long, or holds a zero character.
    pub fn check_subscription(&self, name: &str) -> Result<(), LimitError> {
        self.name("the name of a subscription", name)
    }

    /// Checks how many subscriptions a tenant has.
    ///
    /// # Errors
    /// When there are too many.
    pub fn check_subscriptions(&self, count: usize) -> Result<(), LimitError> {
        check("the tenant", count, self.subscriptions, "subscriptions")
    }

    /// Checks entries that a document has, or gets.
    ///
    /// # Errors
    /// When there are too many of them, or a value is too long or holds a zero character; the error names the index.
    pub fn check_index<'a>(&self, entries: impl IntoIterator<Item = &'a IndexEntry>) -> Result<(), LimitError> {
        let mut count = 0;
        for entry in entries {
            count += 1;
            self.check_index_value(entry.index, &entry.value)?;
        }
        check("a document", count, self.index_entries, "index entries")
    }

    /// Checks what `query` asks for.
    ///
    /// # Errors
    /// When a value is asked for that no index holds; the error names the index.
    pub fn check_query(&self, query: &DocumentQuery) -> Result<(), LimitError> {
        check("the query", query.filters.len(), self.criteria, "filters")?;
        for filter in &query.filters {
            let values = filter.test.values();
            check_of("the list for the index", filter.index, values.len(), self.criterion_names, "values")?;
            values.into_iter().try_for_each(|value| self.check_index_value(filter.index, value))?;
        }
        Ok(())
    }

    fn check_index_value(&self, index: &str, value: &str) -> Result<(), LimitError> {
        check("the name of an index", index.len(), INDEX_NAME_BYTES, "bytes")?;
        check_of("the value of the index", index, value.len(), self.index_value_bytes, "bytes")?;
        check_of("the value of the index", index, zeros(value), 0, "zero characters")
    }

    fn name(&self, what: &str, name: &str) -> Result<(), LimitError> {
        check(what, name.len(), self.name_bytes, "bytes")?;
        check(what, zeros(name), 0, "zero characters")
    }
}

/// `unit` in words, as many as there are.
fn counted(unit: &'static str, actual: usize) -> &'static str {
    match (unit, actual) {
        ("criteria", 1) => "criterion",
        ("index entries", 1) => "index entry",
        (_, 1) => unit.strip_suffix('s').unwrap_or(unit),
        _ => unit,
    }
}

/// Zero characters (U+0000) in `text`. No database keeps them faithfully in its texts.
fn zeros(text: &str) -> usize {
    if text.as_bytes().contains(&0) { text.bytes().filter(|byte| *byte == 0).count() } else { 0 }
}

/// Colons in the key of a tag. The first one in a stored tag ends its key.
fn colons(key: &str) -> usize {
    key.bytes().filter(|byte| *byte == b':').count()
}

fn check_of(what: &str, name: &str, actual: usize, limit: usize, unit: &'static str) -> Result<(), LimitError> {
    if actual <= limit {
        return Ok(());
    }
    let shown: String = name.chars().take(SHOWN).collect();
    let more = if shown.len() < name.len() { ".." } else { "" };
    check(&format!("{what} `{shown}{more}`"), actual, limit, unit)
}

fn check(what: &str, actual: usize, limit: usize, unit: &'static str) -> Result<(), LimitError> {
    if actual > limit { Err(LimitError { what: what.to_owned(), actual, limit, unit }) } else { Ok(()) }
}
