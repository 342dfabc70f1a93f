//! How payloads become bytes and back. JSON unless the application brings another codec.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Json, Recorded, RecordedEvent, UpcastError, Upcasters};

/// A format for payloads. It must be self-describing (as JSON, MessagePack and CBOR are), since upcasters work on
/// the generic tree of a payload.
pub trait Codec: Send + Sync + 'static {
    /// The media type, such as `application/json`.
    fn content_type(&self) -> &'static str;

    /// Writes `value`.
    ///
    /// # Errors
    /// When the value has a part that the format cannot express.
    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, CodecError>;

    /// Hands a deserializer over `bytes` to `read`, which builds the value.
    ///
    /// # Errors
    /// When `bytes` are no document of this format, or `read` finds another shape than it expects.
    fn decode(
        &self,
        bytes: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), CodecError>;
}

/// JSON text in UTF-8: the default, readable in plain SQL.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonCodec;

impl Codec for JsonCodec {
    fn content_type(&self) -> &'static str {
        "application/json"
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, CodecError> {
        serde_json::to_vec(value).map_err(CodecError::new)
    }

    fn decode(
        &self,
        bytes: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), CodecError> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json)).map_err(CodecError::new)?;
        json.end().map_err(CodecError::new)
    }
}

/// A value could not be written to or read from bytes.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CodecError {
    message: String,
}

impl CodecError {
    /// Wraps the format's own error.
    pub fn new(error: impl fmt::Display) -> Self {
        Self { message: error.to_string() }
    }
}

/// The codec in use, with a short way for JSON that goes through no trait object.
#[derive(Clone, Default)]
pub struct Payloads {
    custom: Option<Arc<dyn Codec>>,
}

impl Payloads {
    /// JSON.
    #[must_use]
    pub fn json() -> Self {
        Self::default()
    }

    /// Another codec.
    #[must_use]
    pub fn with(codec: Arc<dyn Codec>) -> Self {
        Self { custom: Some(codec) }
    }

    /// Writes `value`.
    ///
    /// # Errors
    /// When the value has a part that the format cannot express.
    pub fn encode<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, CodecError> {
        match &self.custom {
            None => serde_json::to_vec(value).map_err(CodecError::new),
            Some(codec) => codec.encode(value),
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    /// When `bytes` are no document of this format, or have another shape than `T`.
    pub fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        match &self.custom {
            None => serde_json::from_slice(bytes).map_err(CodecError::new),
            Some(codec) => {
                let mut value = None;
                codec.decode(bytes, &mut |deserializer| {
                    value = Some(erased_serde::deserialize(deserializer)?);
                    Ok(())
                })?;
                value.ok_or_else(|| CodecError::new("the codec read nothing"))
            }
        }
    }

    /// The media type of what is written.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        self.custom.as_ref().map_or(JsonCodec.content_type(), |codec| codec.content_type())
    }
}

impl fmt::Debug for Payloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Payloads").field(&self.content_type()).finish()
    }
}

/// A stored event on its way to a handler: its current name, and its payload ready to be decoded into the type that
/// the handler takes. Upcasters have been applied where the stored revision needs them.
#[derive(Debug)]
pub struct Decode<'a> {
    recorded: &'a Recorded,
    name: &'a str,
    payload: Payload<'a>,
    payloads: &'a Payloads,
}

#[derive(Debug)]
enum Payload<'a> {
    Stored { revision: u32, bytes: &'a [u8] },
    Lifted { revision: u32, json: Json },
}

impl<'a> Decode<'a> {
    /// Prepares `event`, lifting it if an upcaster starts at its name and revision.
    ///
    /// # Errors
    /// When an upcaster fails, or the stored bytes cannot be read for it.
    pub fn new(
        event: &'a RecordedEvent,
        upcasters: &'a Upcasters,
        payloads: &'a Payloads,
    ) -> Result<Self, UpcastError> {
        let recorded = &event.recorded;
        let (name, payload) = match upcasters.lift(event, payloads)? {
            None => (
                recorded.name.as_str(),
                Payload::Stored { revision: recorded.revision, bytes: event.payload.as_slice() },
            ),
            Some((name, revision, json)) => (name, Payload::Lifted { revision, json }),
        };
        Ok(Self { recorded, name, payload, payloads })
    }

    /// The event's current stored name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// The revision that the payload has here: the stored one, or the one that upcasters led to.
    #[must_use]
    pub fn revision(&self) -> u32 {
        match &self.payload {
            Payload::Stored { revision, .. } | Payload::Lifted { revision, .. } => *revision,
        }
    }

    /// Everything known about the event but its payload.
    #[must_use]
    pub fn recorded(&self) -> &'a Recorded {
        self.recorded
    }

    /// Decodes the payload into `E`.
    ///
    /// # Errors
    /// [`UpcastError::Revision`] when the payload has another revision than `E`, [`UpcastError::Payload`] when it has
    /// another shape.
    pub fn into_event<E: super::Event>(self) -> Result<E, UpcastError> {
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
            Payload::Stored { revision, bytes } => self.payloads.decode(bytes).map_err(|source| UpcastError::Payload {
                name: self.name.to_owned(),
                revision,
                source,
            }),
        }
    }
}
