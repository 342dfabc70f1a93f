//! Values on their way to a database, and rows on their way back.

use std::fmt;
use std::vec::IntoIter;

use uuid::Uuid;

use crate::message::{CommandId, EventId, Position, SagaId, Timestamp, Version};
use crate::store::error::BoxError;

/// A parameter of a statement. Its type is known also where it is null: a prepared statement keeps the types that it was
/// prepared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Integer(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Id(Uuid),
}

/// What stands in one column of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row, read from its first column to its last. Each getter takes the next column; `column` names it in errors.
#[derive(Debug)]
pub(crate) struct Row(IntoIter<Cell>);

impl Row {
    pub(crate) fn new(cells: Vec<Cell>) -> Self {
        Self(cells.into_iter())
    }

    pub(crate) fn integer(&mut self, column: &'static str) -> Result<i64, ColumnError> {
        self.optional_integer(column)?.ok_or(ColumnError { column, found: "null", expected: "an integer" })
    }

    pub(crate) fn optional_integer(&mut self, column: &'static str) -> Result<Option<i64>, ColumnError> {
        match self.next(column)? {
            Cell::Null => Ok(None),
            Cell::Integer(number) => Ok(Some(number)),
            other => Err(other.is_not("an integer", column)),
        }
    }

    pub(crate) fn text(&mut self, column: &'static str) -> Result<String, ColumnError> {
        self.optional_text(column)?.ok_or(ColumnError { column, found: "null", expected: "a text" })
    }

    pub(crate) fn optional_text(&mut self, column: &'static str) -> Result<Option<String>, ColumnError> {
        match self.next(column)? {
            Cell::Null => Ok(None),
            Cell::Text(text) => Ok(Some(text)),
            other => Err(other.is_not("a text", column)),
        }
    }

    /// The bytes of a blob or of a text.
    pub(crate) fn bytes(&mut self, column: &'static str) -> Result<Vec<u8>, ColumnError> {
        self.optional_bytes(column)?.ok_or(ColumnError { column, found: "null", expected: "a text or a blob" })
    }

    pub(crate) fn optional_bytes(&mut self, column: &'static str) -> Result<Option<Vec<u8>>, ColumnError> {
        match self.next(column)? {
            Cell::Null => Ok(None),
            Cell::Bytes(bytes) => Ok(Some(bytes)),
            Cell::Text(text) => Ok(Some(text.into_bytes())),
            other => Err(other.is_not("a text or a blob", column)),
        }
    }

    pub(crate) fn id(&mut self, column: &'static str) -> Result<Uuid, ColumnError> {
        match self.next(column)? {
            Cell::Bytes(bytes) => id_of(&bytes, column),
            // Where a database does not tell texts from blobs, the bytes of an id may look like a text.
            Cell::Text(text) => id_of(text.as_bytes(), column),
            other => Err(other.is_not("an id of 16 bytes", column)),
        }
    }

    /// A number that is never negative.
    pub(crate) fn number(&mut self, column: &'static str) -> Result<u64, ColumnError> {
        Ok(self.integer(column)?.unsigned_abs())
    }

    /// A number that is never negative, with an upper end that nothing reaches.
    pub(crate) fn small(&mut self, column: &'static str) -> Result<u32, ColumnError> {
        Ok(u32::try_from(self.number(column)?).unwrap_or(u32::MAX))
    }

    pub(crate) fn truth(&mut self, column: &'static str) -> Result<bool, ColumnError> {
        Ok(self.integer(column)? != 0)
    }

    pub(crate) fn position(&mut self, column: &'static str) -> Result<Position, ColumnError> {
        Ok(Position::new(self.number(column)?))
    }

    /// A version; `None` for null and for 0.
    pub(crate) fn version(&mut self, column: &'static str) -> Result<Option<Version>, ColumnError> {
        Ok(self.optional_integer(column)?.and_then(|number| Version::new(number.unsigned_abs())))
    }

    pub(crate) fn instant(&mut self, column: &'static str) -> Result<Timestamp, ColumnError> {
        Ok(Timestamp::from_micros(self.integer(column)?))
    }

    pub(crate) fn optional_instant(&mut self, column: &'static str) -> Result<Option<Timestamp>, ColumnError> {
        Ok(self.optional_integer(column)?.map(Timestamp::from_micros))
    }

    fn next(&mut self, column: &'static str) -> Result<Cell, ColumnError> {
        self.0.next().ok_or(ColumnError { column, found: "no such column", expected: "one more" })
    }
}

fn id_of(bytes: &[u8], column: &'static str) -> Result<Uuid, ColumnError> {
    let wrong = ColumnError { column, found: "a value of another length", expected: "an id of 16 bytes" };
    Uuid::from_slice(bytes).map_err(|_| wrong)
}

impl Cell {
    fn is_not(&self, expected: &'static str, column: &'static str) -> ColumnError {
        let found = match self {
            Self::Null => "null",
            Self::Integer(_) => "an integer",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "a blob",
        };
        ColumnError { column, found, expected }
    }
}

/// A column holds what this program cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ColumnError {
    column: &'static str,
    found: &'static str,
    expected: &'static str,
}

impl ColumnError {
    pub(super) fn wrong(column: &'static str, found: &'static str, expected: &'static str) -> Self {
        Self { column, found, expected }
    }
}

impl fmt::Display for ColumnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the column `{}` holds {}, expected {}", self.column, self.found, self.expected)
    }
}

impl std::error::Error for ColumnError {}

/// Takes the one row of `rows`; `None` where there is none.
pub(crate) fn first<T>(rows: Vec<Row>, read: impl Fn(Row) -> Result<T, ColumnError>) -> Result<Option<T>, BoxError> {
    Ok(rows.into_iter().next().map(read).transpose()?)
}

/// A database's integers are signed; positions, versions and counters never reach their end.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

macro_rules! value_from {
    ($($type:ty => |$value:ident| $made:expr;)+) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $made
            }
        }
    )+};
}

value_from! {
    i64 => |number| Self::Integer(Some(number));
    u64 => |number| Self::Integer(Some(signed(number)));
    u32 => |number| Self::Integer(Some(i64::from(number)));
    usize => |number| Self::Integer(Some(i64::try_from(number).unwrap_or(i64::MAX)));
    bool => |truth| Self::Integer(Some(i64::from(truth)));
    Option<i64> => |number| Self::Integer(number);
    Position => |position| Self::from(position.get());
    Version => |version| Self::from(version.get());
    Timestamp => |instant| Self::from(instant.as_micros());
    Option<Timestamp> => |instant| Self::Integer(instant.map(Timestamp::as_micros));
    String => |text| Self::Text(Some(text));
    &String => |text| Self::Text(Some(text.clone()));
    &str => |text| Self::Text(Some(text.to_owned()));
    Option<String> => |text| Self::Text(text);
    Option<&str> => |text| Self::Text(text.map(str::to_owned));
    Vec<u8> => |bytes| Self::Bytes(Some(bytes));
    EventId => |id| Self::Id(id.uuid());
    CommandId => |id| Self::Id(id.uuid());
    SagaId => |id| Self::Id(id.uuid());
}

#[cfg(test)]
mod tests {
    use super::{Cell, Row};

    #[test]
    fn an_unexpected_column_is_named() {
        let mut row = Row::new(vec![Cell::Text("seven".to_owned()), Cell::Null]);
        let error = row.integer("version").unwrap_err();
        assert_eq!(error.to_string(), "the column `version` holds a text, expected an integer");
        assert_eq!(row.text("name").unwrap_err().to_string(), "the column `name` holds null, expected a text");
        assert!(row.text("tags").unwrap_err().to_string().contains("no such column"));
    }
}
