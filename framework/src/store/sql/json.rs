//! Lists of values as JSON texts.

use std::borrow::Cow;

use serde::ser::Error;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::store::error::BoxError;

/// A JSON array, one parameter of a statement.
pub(super) fn list<T: Serialize>(items: impl IntoIterator<Item = T>) -> Result<String, BoxError> {
    let items: Vec<T> = items.into_iter().collect();
    Ok(serde_json::to_string(&items)?)
}

/// An id inside a JSON array: hexadecimal digits.
pub(super) fn id(id: Uuid) -> String {
    id.simple().to_string()
}

/// Bytes as two JSON values of which one is null: text, or hexadecimal digits of what is no text. No database reads a
/// zero character inside JSON faithfully, so such a text goes as digits.
pub(super) fn bytes(bytes: &[u8]) -> (Option<&str>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => (Some(text), None),
        _ => (None, Some(hexadecimal(bytes))),
    }
}

/// A text for people without the zero characters that no database takes.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// A value as a JSON text of its own inside another one.
pub(super) struct Text<'a, T>(pub(super) &'a T);

impl<T: Serialize> Serialize for Text<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(self.0).map_err(S::Error::custom)?)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn what_is_no_text_goes_as_digits() {
        assert_eq!(bytes(b"text"), (Some("text"), None));
        assert_eq!(bytes(&[0xff, 0x0a]), (None, Some("ff0a".to_owned())));
        assert_eq!(bytes(b"a\0"), (None, Some("6100".to_owned())));
    }
}
