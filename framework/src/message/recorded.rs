//! An event as the store gives it back.

use std::sync::OnceLock;

use super::{EventId, Metadata, Name, Position, StreamId, Timestamp, Version};

/// A stored event: what is known about it, and its payload as it was written.
#[derive(Debug, Clone)]
pub struct RecordedEvent {
    /// Everything but the payload.
    pub recorded: Recorded,
    /// The payload in the store's codec, at the revision at which it was written.
    pub payload: Vec<u8>,
}

/// Everything known about a stored event but its payload.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Global position.
    pub position: Position,
    /// The stream that the event belongs to.
    pub stream: StreamId,
    /// Place in the stream.
    pub version: Version,
    /// The event's id.
    pub id: EventId,
    /// The stored name, as it was written.
    pub name: Name,
    /// The revision of the payload, as it was written.
    pub revision: u32,
    /// When the event was recorded, by the clock of the node that wrote it.
    pub recorded_at: Timestamp,
    /// What the message carried besides its payload.
    pub metadata: StoredMetadata,
}

impl Recorded {
    /// The event's metadata.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        self.metadata.get()
    }
}

/// Metadata as stored, read when it is first asked for: most readers never ask. What comes out of memory is written
/// when its text is first asked for.
#[derive(Debug, Clone)]
pub struct StoredMetadata {
    /// One of the two is always there.
    json: OnceLock<Name>,
    read: OnceLock<Metadata>,
}

impl StoredMetadata {
    /// Metadata stored as this JSON object.
    #[must_use]
    pub fn from_json(json: impl Into<Name>) -> Self {
        Self { json: OnceLock::from(json.into()), read: OnceLock::new() }
    }

    /// Metadata stored as this JSON object, sharing the text with `last` if it is the same: the events of one command
    /// carry the same.
    #[must_use]
    pub fn like(last: Option<&Self>, json: &str) -> Self {
        Self::from_json(Name::like(last.and_then(|last| last.json.get()), json))
    }

    /// The JSON object as it is stored.
    #[must_use]
    pub fn as_json(&self) -> &str {
        self.json.get_or_init(|| serde_json::to_string(&self.read.get()).unwrap_or_default().into())
    }

    /// The metadata. A text that is no JSON object of texts is reported to the log and read as empty.
    #[must_use]
    pub fn get(&self) -> &Metadata {
        self.read.get_or_init(|| {
            serde_json::from_str(self.as_json()).unwrap_or_else(|error| {
                tracing::error!(%error, "stored metadata is unreadable");
                Metadata::new()
            })
        })
    }
}

impl From<Metadata> for StoredMetadata {
    fn from(metadata: Metadata) -> Self {
        Self { json: OnceLock::new(), read: OnceLock::from(metadata) }
    }
}
