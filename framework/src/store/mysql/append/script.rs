//! Several statements in one text, with their values as literals.
//!
//! A text goes to the server in one round trip, whatever the number of its rows; prepared statements would be one round
//! trip each, and one text for each number of rows. Every value is written as digits or in hexadecimal, so that none can
//! end its literal.

use std::fmt::Write;

use uuid::Uuid;

use crate::store::error::BoxError;
use crate::store::sql::{Statement, Value};

use super::super::parameters;

/// Bytes of a text at most, unless a single statement is longer. Larger ones are no faster.
const TEXT: usize = 1 << 20;

/// A value of a row.
#[derive(Debug, Clone)]
pub(super) enum Field<'a> {
    Null,
    Integer(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Made(String),
    Id(Uuid),
}

impl Field<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Null | Self::Integer(_) => &[],
            Self::Bytes(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
            Self::Made(text) => text.as_bytes(),
            Self::Id(id) => id.as_bytes(),
        }
    }

    fn value(self) -> Value {
        match self {
            Self::Null => Value::Bytes(None),
            Self::Integer(number) => number.into(),
            Self::Bytes(bytes) => bytes.to_vec().into(),
            Self::Text(text) => text.into(),
            Self::Made(text) => text.into(),
            Self::Id(id) => Value::Id(id),
        }
    }
}

impl<'a> From<Option<&'a str>> for Field<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

/// A statement that writes rows: what stands before them, and behind.
#[derive(Debug)]
pub(super) struct Insert {
    pub(super) head: &'static str,
    pub(super) tail: &'static str,
}

/// Statements on their way to the server.
#[derive(Debug)]
pub(super) struct Script {
    limit: usize,
    /// Texts that are full.
    full: Vec<Text>,
    open: Text,
    /// Rows that are too large for a text: their values go as parameters, which take half the bytes.
    large: Vec<Statement>,
}

/// Statements that go in one round trip.
#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) statements: usize,
}

impl Text {
    fn begin(&mut self) -> &mut String {
        if self.statements > 0 {
            self.text.push(';');
        }
        self.statements += 1;
        &mut self.text
    }
}

impl Script {
    pub(super) fn new() -> Self {
        Self::limited(TEXT)
    }

    fn limited(limit: usize) -> Self {
        Self { limit, full: Vec::new(), open: Text::default(), large: Vec::new() }
    }

    /// Adds a statement without values.
    pub(super) fn add(&mut self, text: &str) {
        self.add_with(|script| script.push_str(text));
    }

    /// Adds a statement between `before` and `behind`, with literals for its parameters.
    pub(super) fn add_around(&mut self, before: &str, statement: &Statement, behind: &str) -> Result<(), BoxError> {
        let text = parameters::replaced(statement.text.as_str(), |text, number| {
            let value = statement.values.get(number).ok_or("a statement has fewer values than parameters")?;
            match value {
                Value::Integer(None) | Value::Text(None) | Value::Bytes(None) => text.push_str("NULL"),
                Value::Integer(Some(number)) => integer(text, *number),
                Value::Text(Some(value)) => bytes(text, value.as_bytes()),
                Value::Bytes(Some(value)) => bytes(text, value),
                Value::Id(id) => bytes(text, id.as_bytes()),
            }
            Ok(())
        })?;
        self.add(&format!("{before}{text}{behind}"));
        Ok(())
    }

    /// Adds a statement over a list of rows of literals, `(..), (..)`.
    pub(super) fn add_list<'a>(&mut self, before: &str, rows: impl IntoIterator<Item = Vec<Field<'a>>>, behind: &str) {
        self.add_with(|text| {
            text.push_str(before);
            for (number, row) in rows.into_iter().enumerate() {
                text.push_str(if number == 0 { "" } else { "," });
                tuple(text, &row);
            }
            text.push_str(behind);
        });
    }

    /// Adds the statement that `write` appends to a text.
    pub(super) fn add_with(&mut self, write: impl FnOnce(&mut String)) {
        self.cut(0);
        write(self.open.begin());
    }

    /// Adds statements that write `rows`.
    pub(super) fn insert<'a>(&mut self, insert: &Insert, rows: impl IntoIterator<Item = Vec<Field<'a>>>) {
        let mut begun = false;
        for row in rows {
            let size: usize = row.iter().map(|field| field.bytes().len()).sum();
            if size > self.limit / 4 {
                self.large.push(large(insert, row));
                continue;
            }
            // Twice for the digits, and some more for numbers and quotes.
            let size = 2 * size + 32 * row.len();
            if begun && self.open.text.len() + size > self.limit {
                self.open.text.push_str(insert.tail);
                begun = false;
            }
            if begun {
                self.open.text.push(',');
            } else {
                self.cut(size);
                self.open.begin().push_str(insert.head);
                begun = true;
            }
            tuple(&mut self.open.text, &row);
        }
        if begun {
            self.open.text.push_str(insert.tail);
        }
    }

    /// Rows whose values go as parameters, and the texts in their order.
    pub(super) fn finish(mut self) -> (Vec<Statement>, Vec<Text>) {
        if self.open.statements > 0 {
            self.full.push(self.open);
        }
        (self.large, self.full)
    }

    /// Begins another text where `more` bytes have no room in this one.
    fn cut(&mut self, more: usize) {
        if self.open.statements > 0 && self.open.text.len() + more > self.limit {
            self.full.push(std::mem::take(&mut self.open));
        }
    }
}

fn large(insert: &Insert, row: Vec<Field<'_>>) -> Statement {
    let parameters: Vec<String> = (1..=row.len()).map(|number| format!("?{number}")).collect();
    let text = format!("{}({}){}", insert.head, parameters.join(", "), insert.tail);
    Statement::built(text, row.into_iter().map(Field::value).collect())
}

fn tuple(text: &mut String, row: &[Field<'_>]) {
    text.push('(');
    for (number, field) in row.iter().enumerate() {
        text.push_str(if number == 0 { "" } else { "," });
        match field {
            Field::Null => text.push_str("NULL"),
            Field::Integer(number) => integer(text, *number),
            _ => bytes(text, field.bytes()),
        }
    }
    text.push(')');
}

pub(super) fn integer(text: &mut String, number: i64) {
    // Writing to a text never fails.
    let _ = write!(text, "{number}");
}

/// A binary literal, `x'6162'`.
pub(super) fn bytes(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.reserve(2 * bytes.len() + 3);
    text.push_str("x'");
    let mut digits = [0; 128];
    for part in bytes.chunks(64) {
        for (pair, byte) in digits.chunks_exact_mut(2).zip(part) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        text.push_str(str::from_utf8(&digits[..2 * part.len()]).unwrap_or_default());
    }
    text.push('\'');
}

#[cfg(test)]
mod tests {
    use super::{Field, Insert, Script};
    use crate::store::sql::Statement;

    const INSERT: Insert = Insert { head: "INSERT INTO t VALUES ", tail: " ON DUPLICATE KEY UPDATE a = a" };

    #[test]
    fn values_are_digits_and_cannot_end_their_literal() {
        let mut script = Script::new();
        script.add("START TRANSACTION");
        script
            .insert(&INSERT, [vec![Field::Integer(-7), Field::Text("a'; DROP"), Field::Null, Field::Bytes(&[0, 255])]]);
        let statement = Statement::new("SELECT ?2, ?1, '?1'").bind("\0'").bind(3_i64);
        script.add_around("SELECT 1, (", &statement, ")").unwrap();
        let (large, texts) = script.finish();
        assert!(large.is_empty());
        assert_eq!(
            texts[0].text,
            "START TRANSACTION;INSERT INTO t VALUES (-7,x'61273b2044524f50',NULL,x'00ff') ON DUPLICATE KEY UPDATE a = a;\
             SELECT 1, (SELECT 3, x'0027', '?1')"
        );
        assert_eq!((texts.len(), texts[0].statements), (1, 3));
    }

    #[test]
    fn a_text_stays_below_its_limit_and_large_rows_go_by_themselves() {
        let mut script = Script::limited(1 << 10);
        let small = "x".repeat(100);
        let rows = (0..20).map(|_| vec![Field::Text(&small)]);
        script.insert(&INSERT, rows.chain([vec![Field::Made("x".repeat(500))]]));
        let (large, texts) = script.finish();
        assert_eq!(texts.iter().map(|text| text.text.matches("x'").count()).sum::<usize>(), 20);
        assert!(texts.iter().all(|text| text.text.len() <= (1 << 10) + INSERT.tail.len()), "{texts:?}");
        assert!(texts.iter().all(|text| text.text.starts_with(INSERT.head) && text.text.ends_with(INSERT.tail)));
        assert_eq!(large.len(), 1);
        assert!(large[0].text.as_str().contains("VALUES (?1) ON DUPLICATE"));
    }
}
