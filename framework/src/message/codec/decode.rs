//! A message on its way to a handler.

use super::{CodecError, Payloads};
use crate::message::upcaster::LiftedPart;
use crate::message::{Event, Json, RecordedEvent, UpcastError};

/// A stored event on its way to a handler: its current name, and its payload ready to be decoded into the type that
/// the handler takes. Upcasters have been applied where the stored revision needs them; one of the [`Parts`](crate::message::Parts)
/// of the stored event.
#[derive(Debug)]
pub struct Decode<'a> {
    name: &'a str,
    part: u32,
    payload: Payload<'a>,
    payloads: &'a Payloads,
}

#[derive(Debug)]
enum Payload<'a> {
    Stored { revision: u32, bytes: &'a [u8] },
    Lifted { revision: u32, json: Json },
}

impl<'a> Decode<'a> {
    /// `event` as it is stored, lifted by nothing.
    #[must_use]
    pub fn of(event: &'a RecordedEvent, payloads: &'a Payloads) -> Self {
        Self::stored(&event.recorded.name, event.recorded.revision, &event.payload, payloads)
    }

    /// An event at the revision at which it is stored, which no upcaster lifts.
    pub(crate) fn stored(name: &'a str, revision: u32, bytes: &'a [u8], payloads: &'a Payloads) -> Self {
        Self { name, part: 0, payload: Payload::Stored { revision, bytes }, payloads }
    }

    pub(crate) fn lifted(lifted: LiftedPart, part: u32, payloads: &'a Payloads) -> Self {
        let payload = Payload::Lifted { revision: lifted.at.revision, json: lifted.payload };
        Self { name: lifted.at.name, part, payload, payloads }
    }

    /// The event's current stored name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// Which part of the stored event this is, from 0. An event that no upcaster splits has one.
    #[must_use]
    pub fn part(&self) -> u32 {
        self.part
    }

    /// The revision that the payload has here: the stored one, or the one that upcasters led to.
    #[must_use]
    pub fn revision(&self) -> u32 {
        match &self.payload {
            Payload::Stored { revision, .. } | Payload::Lifted { revision, .. } => *revision,
        }
    }

    /// The payload, where upcasters have made it.
    pub(crate) fn lifted_payload(&self) -> Option<&Json> {
        match &self.payload {
            Payload::Stored { .. } => None,
            Payload::Lifted { json, .. } => Some(json),
        }
    }

    /// Decodes the payload into `E`.
    ///
    /// # Errors
    /// [`UpcastError::Revision`] when the payload has another revision than `E`, [`UpcastError::Payload`] when it has
    /// another shape.
    pub fn into_event<E: Event>(self) -> Result<E, UpcastError> {
        let revision = self.revision();
        if revision != E::REVISION {
            return Err(UpcastError::Revision { name: self.name.to_owned(), stored: revision, known: E::REVISION });
        }
        let decoded = match self.payload {
            Payload::Stored { bytes, .. } => self.payloads.decode(bytes),
            Payload::Lifted { json, .. } => serde_json::from_value(json).map_err(CodecError::new),
        };
        decoded.map_err(|source| UpcastError::Payload { name: E::NAME.to_owned(), revision, source })
    }

    /// The payload as a JSON tree, for people and tools.
    ///
    /// # Errors
    /// [`UpcastError::Payload`] when the stored bytes cannot be read.
    pub fn into_json(self) -> Result<Json, UpcastError> {
        match self.payload {
            Payload::Lifted { json, .. } => Ok(json),
            Payload::Stored { revision, bytes } => self
                .payloads
                .decode_tree(bytes)
                .map_err(|source| UpcastError::Payload { name: self.name.to_owned(), revision, source }),
        }
    }
}
