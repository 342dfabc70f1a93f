//! Large payloads, compressed.

use super::CodecError;

/// Compression of payloads by zstd: when, and what is let in again. Off unless it is asked for.
///
/// It holds for payloads of events, for commands, states and answers that are stored; documents of views stay readable in plain
/// SQL. The store's limit for payloads holds for what is stored, compressed; [`Compression::largest`] for what it is
/// before and afterwards.
///
/// ```
/// use annals::Annals;
/// use annals::message::Compression;
///
/// let builder = Annals::builder().store("memory:").compression(Compression::above(4_096));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Compression {
    above: usize,
    largest: usize,
}

/// Effort: zstd's default, at which writing costs about as much as encoding JSON.
const LEVEL: i32 = 3;
/// Bytes of the length in front of what is compressed.
const LENGTH: usize = 4;

impl Compression {
    /// Default of [`Compression::largest`]: 64 MiB.
    pub const LARGEST: usize = 64 << 20;

    /// Compresses payloads of more than `bytes` bytes, where that makes them smaller.
    pub fn above(bytes: usize) -> Self {
        Self { above: bytes, largest: Self::LARGEST }
    }

    /// Bytes of a payload before compression at most, and of what is taken from a compressed one: a limit against payloads that
    /// would fill the memory. Default 64 MiB, at most 4 GiB less a byte. Lowered, it makes larger payloads that are stored already
    /// unreadable.
    pub fn largest(mut self, bytes: usize) -> Self {
        self.largest = bytes;
        self
    }

    /// `plain`, compressed where that is worth it.
    pub(super) fn pack(&self, plain: Vec<u8>, mark: [u8; 2]) -> Result<Vec<u8>, CodecError> {
        if plain.len() <= self.above {
            return Ok(plain);
        }
        self.check(plain.len())?;
        let length = u32::try_from(plain.len()).map_err(CodecError::new)?;
        let packed = zstd::bulk::compress(&plain, LEVEL).map_err(CodecError::new)?;
        if mark.len() + LENGTH + packed.len() >= plain.len() {
            return Ok(plain);
        }
        Ok([&mark[..], &length.to_le_bytes(), &packed].concat())
    }

    /// What was packed, without its mark.
    pub(super) fn unpack(&self, packed: &[u8]) -> Result<Vec<u8>, CodecError> {
        let (length, packed) = packed
            .split_first_chunk::<LENGTH>()
            .ok_or_else(|| CodecError::new("the compressed payload ends inside its length"))?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(CodecError::new)?;
        self.check(length)?;
        let plain = zstd::bulk::decompress(packed, length).map_err(CodecError::new)?;
        match plain.len() == length {
            true => Ok(plain),
            false => Err(CodecError::new("the compressed payload has another length than it says")),
        }
    }

    fn check(&self, bytes: usize) -> Result<(), CodecError> {
        let Self { largest, .. } = self;
        match bytes <= *largest {
            true => Ok(()),
            false => Err(CodecError::new(format!(
                "the payload has {bytes} bytes before compression, the limit is {largest}: see `Compression::largest`"
            ))),
        }
    }
}

impl Default for Compression {
    /// As far as reading goes; nothing is compressed.
    fn default() -> Self {
        Self::above(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::Compression;
    use crate::message::Payloads;

    #[test]
    fn what_is_large_is_compressed_and_comes_back() {
        let payloads = Payloads::json().compressed(Compression::above(100));
        let (small, large) = ("a".repeat(90), "a".repeat(10_000));
        assert_eq!(payloads.encode(&small).unwrap(), format!("\"{small}\"").as_bytes());
        let packed = payloads.encode(&large).unwrap();
        assert!(packed.starts_with(b"\0Z") && packed.len() < 100, "{}", packed.len());
        for reader in [&payloads, &Payloads::json()] {
            assert_eq!(reader.decode::<String>(&packed).unwrap(), large);
            assert_eq!(reader.decode_tree(&packed).unwrap(), large);
        }
    }

    #[test]
    fn what_would_fill_the_memory_is_refused_on_both_ways() {
        let (wide, narrow) = (Compression::above(10), Compression::above(10).largest(1_000));
        let bomb = Payloads::json().compressed(wide).encode(&"a".repeat(1_000)).unwrap();
        let payloads = Payloads::json().compressed(narrow);
        let says = "the payload has 1002 bytes before compression, the limit is 1000: see `Compression::largest`";
        assert_eq!(payloads.decode::<String>(&bomb).unwrap_err().to_string(), says);
        assert_eq!(payloads.encode(&"a".repeat(1_000)).unwrap_err().to_string(), says);
        let mut liar = bomb;
        liar[2..6].copy_from_slice(&500_u32.to_le_bytes());
        assert!(payloads.decode::<String>(&liar).is_err(), "it holds more than it says");
        liar[2..6].copy_from_slice(&999_u32.to_le_bytes());
        assert!(payloads.decode::<String>(&liar).is_err());
    }

    #[test]
    fn broken_payloads_are_refused() {
        let payloads = Payloads::json();
        let inner = Payloads::json().compressed(Compression::above(10)).encode(&"a".repeat(1_000)).unwrap();
        let twice = Compression::above(10).pack([inner.as_slice(), &[0; 500]].concat(), *b"\0Z").unwrap();
        assert_eq!(payloads.decode::<String>(&twice).unwrap_err().to_string(), "the payload is compressed twice");
        for broken in [&b"\0Z"[..], b"\0Z\x05\0\0", b"\0Z\x05\0\0\0", b"\0Z\x05\0\0\0no zstd"] {
            assert!(payloads.decode::<String>(broken).is_err(), "{broken:?}");
        }
    }
}
