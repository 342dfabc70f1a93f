//! An event on its way to an outside consumer.

use std::sync::Arc;

use crate::message::{Event, Json, Metadata, Position, Recorded, RecordedEvent, StreamId};
use crate::store::Journal;

use super::error::EventError;
use super::filter::Filter;

/// An event as it was recorded, which becomes on demand what the program knows today: upcasters lie under every way to
/// its content. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SubscribedEvent {
    event: Arc<RecordedEvent>,
    journal: Journal,
    filter: Arc<Filter>,
}

/// One part of an event: the event itself, unless upcasters have split it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EventPart {
    /// The current stored name.
    pub name: String,
    /// The revision of the payload.
    pub revision: u32,
    /// The payload.
    pub payload: Json,
}

impl SubscribedEvent {
    pub(super) fn new(event: Arc<RecordedEvent>, journal: Journal, filter: Arc<Filter>) -> Self {
        Self { event, journal, filter }
    }

    /// Everything that is known about it but its payload, as it was recorded.
    #[must_use]
    pub fn recorded(&self) -> &Recorded {
        &self.event.recorded
    }

    /// Its global position.
    #[must_use]
    pub fn position(&self) -> Position {
        self.event.recorded.position
    }

    /// Its stream.
    #[must_use]
    pub fn stream(&self) -> &StreamId {
        &self.event.recorded.stream
    }

    /// The name under which it was recorded.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.event.recorded.name
    }

    /// What it carries besides its payload.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        self.event.recorded.metadata()
    }

    /// The payload as it is stored, at the revision at which it was written.
    #[must_use]
    pub fn stored_payload(&self) -> &[u8] {
        &self.event.payload
    }

    /// What it is today: one part, unless upcasters have split it into several, or dropped it, or turned it into one that
    /// was not asked for.
    ///
    /// # Errors
    /// When an upcaster fails, or the payload cannot be read.
    pub async fn parts(&self) -> Result<Vec<EventPart>, EventError> {
        let wanted = self.filter.wanted_names();
        let mut parts = Vec::new();
        for part in self.journal.decode(&self.event).await? {
            if wanted.as_ref().is_none_or(|wanted| wanted.contains(&part.name())) {
                let (name, revision) = (part.name().to_owned(), part.revision());
                parts.push(EventPart { name, revision, payload: part.into_json()? });
            }
        }
        Ok(parts)
    }

    /// The payload of its first part, as JSON; null where it has no part.
    ///
    /// # Errors
    /// As [`SubscribedEvent::parts`].
    pub async fn json(&self) -> Result<Json, EventError> {
        Ok(self.parts().await?.into_iter().next().map_or(Json::Null, |part| part.payload))
    }

    /// The event as an `E`: its first part of this name.
    ///
    /// # Errors
    /// [`EventError::Other`] for another event; the rest when it cannot be lifted or decoded.
    pub async fn decode<E: Event>(&self) -> Result<E, EventError> {
        let found = self.decode_all::<E>().await?.into_iter().next();
        found.ok_or_else(|| EventError::Other {
            position: self.position(),
            name: self.name().to_owned(),
            expected: E::NAME,
        })
    }

    /// All of its parts that are an `E`.
    ///
    /// # Errors
    /// When it cannot be lifted or decoded.
    pub async fn decode_all<E: Event>(&self) -> Result<Vec<E>, EventError> {
        let parts = self.journal.decode(&self.event).await?;
        let own = parts.filter(|part| part.name() == E::NAME);
        Ok(own.map(crate::message::Decode::into_event).collect::<Result<_, _>>()?)
    }
}
