//! How payloads become bytes and back. JSON unless the application brings another codec.
//!
//! Every stored payload says itself what it is, so that payloads of several codecs lie in one stream: one that begins
//! with a zero byte carries a mark behind it, anything else is JSON text, which never begins so.
//!
//! | begins with | is |
//! |---|---|
//! | anything but a zero byte | JSON text |
//! | `0x00 'M'` | MessagePack (feature `message-pack`) |
//! | `0x00 'Z'`, four bytes of length, least first | compressed by zstd (feature `compression`): behind it a payload of any other kind |
//! | `0x00` and a lower-case letter | a codec of the application's own |

#[cfg(feature = "compression")]
mod compression;
mod decode;
#[cfg(feature = "message-pack")]
mod message_pack;
mod payloads;
mod tree;

#[cfg(feature = "compression")]
pub use compression::Compression;
pub use decode::Decode;
#[cfg(feature = "message-pack")]
pub use message_pack::MessagePackCodec;
pub use payloads::Payloads;

use std::fmt;

/// A format for payloads. It must be self-describing (as JSON, MessagePack and CBOR are), since upcasters work on
/// the generic tree of a payload, and tell serde that it is human-readable, so that types have in it the shape that they have in
/// JSON.
pub trait Codec: Send + Sync + 'static {
    /// The media type, such as `application/json`.
    fn content_type(&self) -> &'static str;

    /// What tells payloads of this codec from others: a lower-case letter, written in front of each. Never change it once
    /// something is stored. `None`: what it writes is JSON text, and is not marked.
    fn mark(&self) -> Option<char>;

    /// Writes `value`.
    ///
    /// # Errors
    /// When the value has a part that the format cannot express.
    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, CodecError>;

    /// Hands a deserializer over `bytes` to `read`, which builds the value. The mark is not among the bytes.
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

    fn mark(&self) -> Option<char> {
        None
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
