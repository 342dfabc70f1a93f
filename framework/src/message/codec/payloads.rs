//! The codec in use, and every codec that can be read.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::tree::Tree;
use super::{Codec, CodecError, JsonCodec};
use crate::message::Json;

/// What every payload but JSON begins with. No JSON text does.
const MARKED: u8 = 0;
#[cfg(feature = "compression")]
const COMPRESSED: u8 = b'Z';
#[cfg(feature = "message-pack")]
const MESSAGE_PACK: u8 = b'M';

/// The media type of the codec that comes with the library.
const MESSAGE_PACK_TYPE: &str = "application/vnd.msgpack";

/// Writes payloads with one codec, and reads those of every codec that it knows: each says itself what it is.
///
/// ```
/// # use annals::message::Payloads;
/// let payloads = Payloads::json();
/// assert_eq!(payloads.encode(&[1, 2]).unwrap(), b"[1,2]");
/// assert_eq!(payloads.decode::<Vec<u8>>(b"[1,2]").unwrap(), [1, 2]);
/// ```
#[derive(Clone, Default)]
pub struct Payloads(Option<Arc<Own>>);

/// What the application wants other than plain JSON.
#[derive(Clone, Default)]
struct Own {
    /// `None` for JSON.
    writer: Option<Arc<dyn Codec>>,
    /// Codecs that are read, the writer included.
    readers: Vec<Arc<dyn Codec>>,
    #[cfg(feature = "compression")]
    compression: Option<super::Compression>,
}

impl Payloads {
    /// JSON.
    #[must_use]
    pub fn json() -> Self {
        Self::default()
    }

    /// Another codec. JSON is read as well.
    #[must_use]
    pub fn with(codec: Arc<dyn Codec>) -> Self {
        Self::json().written_with(codec)
    }

    /// The same, writing with `codec`; what was read before is still read.
    #[must_use]
    pub fn written_with(self, codec: Arc<dyn Codec>) -> Self {
        self.changed(|own| {
            own.writer = codec.mark().is_some().then(|| Arc::clone(&codec));
            own.readers.push(codec);
        })
    }

    /// The same, also reading what `codec` has written.
    #[must_use]
    pub fn reading(self, codec: Arc<dyn Codec>) -> Self {
        self.changed(|own| own.readers.push(codec))
    }

    /// The same, compressing what is large.
    #[cfg(feature = "compression")]
    #[must_use]
    pub fn compressed(self, compression: super::Compression) -> Self {
        self.changed(|own| own.compression = Some(compression))
    }

    /// What is wrong with the marks of the codecs.
    pub(crate) fn faults(&self) -> Vec<String> {
        let Some(own) = &self.0 else { return Vec::new() };
        let mut faults = Vec::new();
        for (index, codec) in own.readers.iter().enumerate() {
            let Some(mark) = codec.mark() else { continue };
            let (name, built_in) = (codec.content_type(), codec.content_type() == MESSAGE_PACK_TYPE);
            if !mark.is_ascii_lowercase() && !built_in {
                faults.push(format!("the codec of `{name}` has the mark `{mark}`: expected a lower-case letter"));
            }
            let before = own.readers.iter().take(index).find(|other| other.mark() == Some(mark));
            if let Some(other) = before.filter(|other| other.content_type() != name) {
                let other = other.content_type();
                faults.push(format!("the codecs of `{other}` and `{name}` have the same mark `{mark}`"));
            }
        }
        faults
    }

    /// Writes `value`.
    ///
    /// # Errors
    /// When the value has a part that the format cannot express, or is larger than compression takes.
    pub fn encode<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, CodecError> {
        let Some(own) = &self.0 else { return serde_json::to_vec(value).map_err(CodecError::new) };
        let plain = match &own.writer {
            None => serde_json::to_vec(value).map_err(CodecError::new)?,
            Some(codec) => marked(&**codec, &codec.encode(value)?)?,
        };
        #[cfg(feature = "compression")]
        if let Some(compression) = &own.compression {
            return compression.pack(plain, [MARKED, COMPRESSED]);
        }
        Ok(plain)
    }

    /// Writes `value` as JSON, whatever the codec: what people ask for by plain SQL.
    ///
    /// # Errors
    /// When JSON cannot express a part of it.
    pub fn encode_document<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, CodecError> {
        serde_json::to_vec(value).map_err(CodecError::new)
    }

    /// Reads a value.
    ///
    /// # Errors
    /// When `bytes` are of no codec that is known here, or have another shape than `T`.
    pub fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        if !is_marked(bytes) {
            return serde_json::from_slice(bytes).map_err(CodecError::new);
        }
        let mut value = None;
        self.read_marked(bytes, &mut |deserializer| {
            value = Some(erased_serde::deserialize(deserializer)?);
            Ok(())
        })?;
        value.ok_or_else(|| CodecError::new("the codec read nothing"))
    }

    /// Reads the tree of a payload, as it would be in JSON.
    ///
    /// # Errors
    /// When `bytes` are of no codec that is known here.
    pub fn decode_tree(&self, bytes: &[u8]) -> Result<Json, CodecError> {
        if !is_marked(bytes) {
            return serde_json::from_slice(bytes).map_err(CodecError::new);
        }
        let mut tree = None;
        self.read_marked(bytes, &mut |deserializer| {
            tree = Some(erased_serde::deserialize::<Tree>(deserializer)?);
            Ok(())
        })?;
        tree.map(|Tree(json)| json).ok_or_else(|| CodecError::new("the codec read nothing"))
    }

    /// A payload for people: its JSON text; what nobody can read, as far as it is text.
    #[must_use]
    pub fn to_text(&self, bytes: &[u8]) -> String {
        match is_marked(bytes).then(|| self.decode_tree(bytes)) {
            Some(Ok(json)) => json.to_string(),
            _ => String::from_utf8_lossy(bytes).into_owned(),
        }
    }

    /// The media type of what is written, before compression.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        let writer = self.0.as_ref().and_then(|own| own.writer.as_ref());
        writer.map_or(JsonCodec.content_type(), |codec| codec.content_type())
    }

    fn changed(self, change: impl FnOnce(&mut Own)) -> Self {
        let mut own = self.0.map_or_else(Own::default, Arc::unwrap_or_clone);
        change(&mut own);
        Self(Some(Arc::new(own)))
    }

    fn read_marked(&self, bytes: &[u8], read: ReadValue<'_>) -> Result<(), CodecError> {
        match bytes {
            #[cfg(feature = "compression")]
            [MARKED, COMPRESSED, packed @ ..] => {
                let own = self.0.as_ref().and_then(|own| own.compression);
                let plain = own.unwrap_or_default().unpack(packed)?;
                match plain.get(..2) {
                    Some([MARKED, COMPRESSED]) => Err(CodecError::new("the payload is compressed twice")),
                    Some([MARKED, mark]) => self.read_with(*mark, plain.get(2..).unwrap_or_default(), read),
                    _ => JsonCodec.decode(&plain, read),
                }
            }
            [MARKED, mark, payload @ ..] => self.read_with(*mark, payload, read),
            _ => Err(CodecError::new("the payload ends after its first byte")),
        }
    }

    fn read_with(&self, mark: u8, payload: &[u8], read: ReadValue<'_>) -> Result<(), CodecError> {
        #[cfg(feature = "message-pack")]
        if mark == MESSAGE_PACK {
            return super::MessagePackCodec.decode(payload, read);
        }
        let readers = self.0.as_ref().map_or(&[][..], |own| own.readers.as_slice());
        match readers.iter().find(|codec| codec.mark() == Some(char::from(mark))) {
            Some(codec) => codec.decode(payload, read),
            None => Err(unknown(mark)),
        }
    }
}

type ReadValue<'a> = &'a mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>;

fn is_marked(bytes: &[u8]) -> bool {
    bytes.first() == Some(&MARKED)
}

fn marked(codec: &dyn Codec, payload: &[u8]) -> Result<Vec<u8>, CodecError> {
    let mark = codec.mark().and_then(|mark| u8::try_from(mark).ok());
    let mark = mark.ok_or_else(|| CodecError::new("the mark of a codec is a lower-case letter"))?;
    let mut bytes = Vec::with_capacity(payload.len() + 2);
    bytes.extend([MARKED, mark]);
    bytes.extend_from_slice(payload);
    Ok(bytes)
}

fn unknown(mark: u8) -> CodecError {
    CodecError::new(match mark {
        b'M' => "the payload is MessagePack: build with the feature `message-pack`".to_owned(),
        b'Z' => "the payload is compressed: build with the feature `compression`".to_owned(),
        mark if mark.is_ascii_lowercase() => format!(
            "the payload is of a codec with the mark `{}`: add it with `Annals::builder().reads(..)`",
            char::from(mark)
        ),
        mark => format!("the payload has the mark {mark:#04x}, which no codec has"),
    })
}

impl fmt::Debug for Payloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Payloads").field(&self.content_type()).finish()
    }
}
