//! Metadata: what travels with a message without being part of its meaning.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::{CommandId, EventId, Name};

/// Text by text: who sent it, which trace it belongs to, what caused it.
///
/// Correlation and causation ids are carried on automatically from command to event to saga to command.
///
/// ```
/// # use annals::Metadata;
/// let metadata = Metadata::new().with("user", "ada");
/// assert_eq!(metadata.get("user"), Some("ada"));
/// ```
///
/// A clone shares the entries, and costs no allocation.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Metadata(Option<Arc<Entries>>);

/// Sorted by key.
type Entries = Vec<(Name, Arc<str>)>;

impl Metadata {
    /// Key of the id that all messages of one conversation share: the id of the first command.
    pub const CORRELATION_ID: &'static str = "correlation-id";
    /// Key of the id of the message that directly caused this one.
    pub const CAUSATION_ID: &'static str = "causation-id";
    /// Key of the roles of who sent the message, separated by commas: `clerk,manager`.
    pub const ROLES: &'static str = "roles";

    /// No entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.value(key).map(|value| &**value)
    }

    /// Sets `key` to `value`, replacing what stood there.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.set(Name::from(key.into()), value.into().into());
    }

    /// The same metadata with `key` set to `value`.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.insert(key, value);
        self
    }

    /// All entries, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries().iter().map(|(key, value)| (key.as_str(), &**value))
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries().is_empty()
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

    /// The roles of who sent the message.
    ///
    /// ```
    /// # use annals::Metadata;
    /// let metadata = Metadata::new().with(Metadata::ROLES, "clerk, manager");
    /// assert_eq!(metadata.roles().collect::<Vec<_>>(), ["clerk", "manager"]);
    /// ```
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        let roles = self.get(Self::ROLES).unwrap_or_default();
        roles.split(',').map(str::trim).filter(|role| !role.is_empty())
    }

    /// What the events of `command` carry: all of the command's metadata, caused by the command.
    #[must_use]
    pub(crate) fn caused_by_command(&self, command: CommandId) -> Self {
        self.carried_on(command.uuid())
    }

    /// What a command carries that a saga sends because of `event`.
    #[must_use]
    pub(crate) fn caused_by_event(&self, event: EventId) -> Self {
        self.carried_on(event.uuid())
    }

    /// Starts a conversation with `command`, where the command belongs to none yet.
    pub(crate) fn correlate(&mut self, command: CommandId) {
        if self.is_empty() {
            self.0 = Some(Arc::new(vec![(Name::from(Self::CORRELATION_ID), text(command.uuid()))]));
        } else if self.correlation_id().is_none() {
            self.set(Name::from(Self::CORRELATION_ID), text(command.uuid()));
        }
    }

    /// The same metadata without `key`.
    #[must_use]
    pub(crate) fn without(mut self, key: &str) -> Self {
        if self.value(key).is_some() {
            Arc::make_mut(self.0.get_or_insert_default()).retain(|(known, _)| known.as_str() != key);
        }
        self
    }

    fn carried_on(&self, cause: Uuid) -> Self {
        // The first message of a conversation is its cause and gives it its id: one text serves as both.
        let correlation = self.value(Self::CORRELATION_ID).cloned();
        let cause = correlation.clone().filter(|id| is_text_of(id, cause)).unwrap_or_else(|| text(cause));
        let is_other =
            |(key, _): &&(Name, Arc<str>)| !matches!(key.as_str(), Self::CORRELATION_ID | Self::CAUSATION_ID);
        let mut carried = Vec::with_capacity(self.entries().len() + 2);
        let (mut others, correlation) =
            (self.entries().iter().filter(is_other).peekable(), correlation.unwrap_or_else(|| Arc::clone(&cause)));
        // The two ids in their places among the others, which are sorted already.
        for (id, value) in [(Self::CAUSATION_ID, cause), (Self::CORRELATION_ID, correlation)] {
            while let Some(before) = others.next_if(|(key, _)| key.as_str() < id) {
                carried.push(before.clone());
            }
            carried.push((Name::from(id), value));
        }
        carried.extend(others.cloned());
        Self(Some(Arc::new(carried)))
    }

    fn entries(&self) -> &[(Name, Arc<str>)] {
        self.0.as_ref().map_or(&[], |entries| entries.as_slice())
    }

    fn value(&self, key: &str) -> Option<&Arc<str>> {
        self.entries().iter().find(|(known, _)| known.as_str() == key).map(|(_, value)| value)
    }

    fn set(&mut self, key: Name, value: Arc<str>) {
        let entries = Arc::make_mut(self.0.get_or_insert_default());
        match entries.binary_search_by(|(known, _)| known.as_str().cmp(&key)) {
            Ok(place) => entries[place].1 = value,
            Err(place) => entries.insert(place, (key, value)),
        }
    }
}

fn text(id: Uuid) -> Arc<str> {
    Arc::from(&*id.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
}

fn is_text_of(text: &str, id: Uuid) -> bool {
    text == id.hyphenated().encode_lower(&mut Uuid::encode_buffer())
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut metadata = Self::new();
        for (key, value) in entries {
            metadata.insert(key, value);
        }
        metadata
    }
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::<String, String>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{CommandId, Metadata};

    #[test]
    fn entries_are_sorted_and_each_key_has_one_value() {
        let metadata: Metadata = [("b", "1"), ("a", "2"), ("c", "3"), ("b", "4")].into_iter().collect();
        assert_eq!(metadata.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "4"), ("c", "3")]);
        let json = serde_json::to_string(&metadata).unwrap();
        assert_eq!(json, r#"{"a":"2","b":"4","c":"3"}"#);
        assert_eq!(serde_json::from_str::<Metadata>(&json).unwrap(), metadata);
        assert_eq!(serde_json::from_str::<Metadata>("{}").unwrap(), Metadata::new());
        assert!(serde_json::from_str::<Metadata>(r#"{"a":1}"#).is_err());
    }

    #[test]
    fn a_clone_goes_its_own_way() {
        let first = Metadata::new().with("user", "ada");
        let second = first.clone().with("user", "eve");
        assert_eq!((first.get("user"), second.get("user")), (Some("ada"), Some("eve")));
    }

    #[test]
    fn the_ids_of_a_conversation_take_their_places_among_other_keys() {
        let others = ["a", "causation-ie", "correlation", "correlation-ie", "z"].map(|key| (key, key));
        let others: Metadata = others.into_iter().collect();
        let mut metadata = others.clone();
        metadata.correlate(CommandId::new());
        for metadata in [others, metadata.caused_by_command(CommandId::new()), metadata] {
            let carried = metadata.caused_by_command(CommandId::new());
            let keys: Vec<&str> = carried.iter().map(|(key, _)| key).collect();
            let sorted = ["a", "causation-id", "causation-ie", "correlation", "correlation-id", "correlation-ie", "z"];
            assert_eq!(keys, sorted);
            assert_eq!(carried.get("correlation-ie"), Some("correlation-ie"));
        }
    }

    #[test]
    fn a_conversation_keeps_its_id_and_each_message_names_its_cause() {
        let (first, second) = (CommandId::new(), CommandId::new());
        let mut metadata = Metadata::new().with("zone", "eu");
        metadata.correlate(first);
        let caused = metadata.caused_by_command(first);
        let texts = (first.to_string(), second.to_string());
        assert_eq!((caused.correlation_id(), caused.causation_id()), (Some(&*texts.0), Some(&*texts.0)));
        let mut again = caused.caused_by_command(second);
        again.correlate(second);
        assert_eq!((again.correlation_id(), again.causation_id()), (Some(&*texts.0), Some(&*texts.1)));
        assert_eq!(again.get("zone"), Some("eu"));
        let alone = Metadata::new().caused_by_command(second);
        assert_eq!((alone.correlation_id(), alone.causation_id()), (Some(&*texts.1), Some(&*texts.1)));
    }
}
