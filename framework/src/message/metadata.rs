//! Metadata: what travels with a message without being part of its meaning.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CommandId, EventId};

/// Text by text: who sent it, which trace it belongs to, what caused it.
///
/// Correlation and causation ids are carried on automatically from command to event to saga to command.
///
/// ```
/// # use annals::Metadata;
/// let metadata = Metadata::new().with("user", "ada");
/// assert_eq!(metadata.get("user"), Some("ada"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// Key of the id that all messages of one conversation share: the id of the first command.
    pub const CORRELATION_ID: &'static str = "correlation-id";
    /// Key of the id of the message that directly caused this one.
    pub const CAUSATION_ID: &'static str = "causation-id";

    /// No entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Sets `key` to `value`, replacing what stood there.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into(), value.into());
    }

    /// The same metadata with `key` set to `value`.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.insert(key, value);
        self
    }

    /// All entries, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The id that all messages of this conversation share.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&str> {
        self.get(Self::CORRELATION_ID)
    }

    /// The id of the message that directly caused this one.
    #[must_use]
    pub fn causation_id(&self) -> Option<&str> {
        self.get(Self::CAUSATION_ID)
    }

    /// What the events of `command` carry: all of the command's metadata, caused by the command.
    #[must_use]
    pub(crate) fn caused_by_command(&self, command: CommandId) -> Self {
        self.carried_on(&command.to_string())
    }

    /// What a command carries that a saga sends because of `event`.
    #[must_use]
    pub(crate) fn caused_by_event(&self, event: EventId) -> Self {
        self.carried_on(&event.to_string())
    }

    fn carried_on(&self, cause: &str) -> Self {
        let mut carried = self.clone();
        carried.0.entry(Self::CORRELATION_ID.to_owned()).or_insert_with(|| cause.to_owned());
        carried.insert(Self::CAUSATION_ID, cause);
        carried
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self(entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}
