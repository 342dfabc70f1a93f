//! MessagePack: smaller than JSON, and as self-describing.

use std::io::Cursor;

use super::{Codec, CodecError};

/// MessagePack with the names of fields, in the shape that types have in JSON: about three quarters of its size.
///
/// Source: the MessagePack specification, <https://github.com/msgpack/msgpack/blob/master/spec.md>.
///
/// ```
/// use annals::Annals;
/// use annals::message::MessagePackCodec;
///
/// let builder = Annals::builder().store("memory:").codec(MessagePackCodec);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct MessagePackCodec;

impl Codec for MessagePackCodec {
    fn content_type(&self) -> &'static str {
        "application/vnd.msgpack"
    }

    fn mark(&self) -> Option<char> {
        Some('M')
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> Result<Vec<u8>, CodecError> {
        let mut bytes = Vec::new();
        let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable();
        erased_serde::serialize(value, &mut serializer).map_err(CodecError::new)?;
        Ok(bytes)
    }

    fn decode(
        &self,
        bytes: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), CodecError> {
        let mut deserializer = rmp_serde::Deserializer::new(Cursor::new(bytes)).with_human_readable();
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut deserializer)).map_err(CodecError::new)?;
        match deserializer.into_inner().position() == bytes.len() as u64 {
            true => Ok(()),
            false => Err(CodecError::new("there is more behind the end of the payload")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde::{Deserialize, Serialize};

    use super::MessagePackCodec;
    use crate::message::{CommandId, Payloads, Timestamp};

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    enum Way {
        Here,
        To(u8),
        Over { bridge: Option<String>, steps: (i8, u64) },
    }

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Everything {
        id: CommandId,
        at: Timestamp,
        ways: Vec<Way>,
        by_number: BTreeMap<u32, f64>,
        nothing: (),
        letter: char,
    }

    fn everything() -> Everything {
        let ways = vec![Way::Here, Way::To(7), Way::Over { bridge: None, steps: (-1, u64::MAX) }];
        let by_number = BTreeMap::from([(4, 0.5)]);
        Everything { id: CommandId::new(), at: Timestamp::EPOCH, ways, by_number, nothing: (), letter: 'ß' }
    }

    #[test]
    fn values_come_back_and_have_the_tree_that_they_have_in_json() {
        let payloads = Payloads::with(Arc::new(MessagePackCodec));
        let value = everything();
        let bytes = payloads.encode(&value).unwrap();
        assert_eq!(&bytes[..2], b"\0M");
        assert!(bytes.len() < serde_json::to_vec(&value).unwrap().len());
        assert_eq!(payloads.decode::<Everything>(&bytes).unwrap(), value);
        assert_eq!(payloads.decode_tree(&bytes).unwrap(), serde_json::to_value(&value).unwrap());
        assert_eq!(
            Payloads::json().decode::<Everything>(&bytes).unwrap(),
            value,
            "a program that writes JSON reads it"
        );
        let json = serde_json::to_vec(&value).unwrap();
        assert_eq!(payloads.decode::<Everything>(&json).unwrap(), value, "and the other way round");
    }

    #[test]
    fn broken_payloads_are_refused() {
        let payloads = Payloads::with(Arc::new(MessagePackCodec));
        let mut bytes = payloads.encode(&everything()).unwrap();
        assert!(payloads.decode::<Everything>(&bytes[..bytes.len() - 1]).is_err());
        bytes.push(1);
        let error = payloads.decode::<Everything>(&bytes).unwrap_err();
        assert_eq!(error.to_string(), "there is more behind the end of the payload");
        for broken in [&b"\0"[..], b"\0M", b"\0x{}", b"\0\0"] {
            assert!(payloads.decode::<u8>(broken).is_err(), "{broken:?}");
        }
    }
}
