//! Where the next page of a query begins.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::store::{DocumentPlace, ScanDirection};

/// Where the next page begins: behind the last document of a page. It is a short text for clients to hand back, of
/// letters and digits, and says nothing to them.
///
/// Pages are stable: documents that come, go or move between two pages make no other document appear twice or be left
/// out. A cursor is for the query that gave it; the filters may change, the order may not.
///
/// ```
/// use annals::view::Cursor;
///
/// assert!("no cursor".parse::<Cursor>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor(String);

/// A text is no cursor, or one of another query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{cursor}` is no cursor of this query: begin with the first page, or give a cursor that a page of it gave")]
pub struct CursorError {
    cursor: String,
}

/// What a cursor holds: the index of the order, the direction, the value and the key.
type Held = (Option<String>, bool, String, String);

impl Cursor {
    pub(super) fn new(order: Option<&str>, direction: ScanDirection, place: &DocumentPlace) -> Self {
        let backwards = direction == ScanDirection::Descending;
        let held = serde_json::to_vec(&(order, backwards, &place.value, &place.key)).unwrap_or_default();
        Self(held.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The place behind which the page begins, in a query of this order.
    ///
    /// # Errors
    /// When it is of another order.
    pub(super) fn place(&self, order: Option<&str>, direction: ScanDirection) -> Result<DocumentPlace, CursorError> {
        let (of, backwards, value, key) = held(&self.0)?;
        if of.as_deref() != order || backwards != (direction == ScanDirection::Descending) {
            return Err(CursorError { cursor: self.0.clone() });
        }
        Ok(DocumentPlace { value, key })
    }
}

fn held(text: &str) -> Result<Held, CursorError> {
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.iter().map(|pair| digits(pair)).collect();
    let held = bytes.filter(|_| rest.is_empty()).and_then(|bytes| serde_json::from_slice(&bytes).ok());
    // What no database takes cannot have been given by one either.
    let held = held.filter(|(_, _, value, key): &Held| !value.contains('\0') && !key.contains('\0'));
    held.ok_or_else(|| CursorError { cursor: text.to_owned() })
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        held(text).map(|_| Self(text.to_owned()))
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_way_to_a_client_and_back() {
        let place = DocumentPlace { value: "7".to_owned(), key: "\u{e1}\"".to_owned() };
        let cursor = Cursor::new(Some("total"), ScanDirection::Descending, &place);
        let text = serde_json::to_string(&cursor).unwrap();
        let back: Cursor = serde_json::from_str(&text).unwrap();
        assert_eq!(back.place(Some("total"), ScanDirection::Descending), Ok(place));
    }

    #[test]
    fn a_cursor_of_another_order_is_refused() {
        let place = DocumentPlace { value: String::new(), key: "k".to_owned() };
        let cursor = Cursor::new(None, ScanDirection::Ascending, &place);
        assert!(cursor.place(Some("total"), ScanDirection::Ascending).is_err());
        assert!(cursor.place(None, ScanDirection::Descending).is_err());
        for text in ["", "7", "zz", "5b5d", "\u{e1}\u{e1}"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
