//! The domain that the tests share. The tests themselves stand in `tests/`.

#![expect(missing_docs, reason = "the fields of test messages say what they are")]

pub mod orders;
#[cfg(feature = "servers")]
pub mod servers;
pub mod wrapped;
