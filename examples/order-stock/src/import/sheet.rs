//! Reads CSV files row by row. A row that cannot be read is a fault with its line number, and the rest goes on.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::ImportError;
use crate::terms::{Money, NoMoney};

/// Longest field, in characters.
const LONGEST: usize = 1000;

/// The rows of a file.
#[derive(Debug)]
pub(crate) struct Sheet<T> {
    /// The readable rows, in the order of the file.
    pub(crate) rows: Vec<T>,
    /// The others.
    pub(crate) faults: Vec<Fault>,
}

/// A row that was not carried out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file's name without its folder.
    pub file: String,
    /// From 1; the header is line 1.
    pub line: u64,
    /// Why, in plain words.
    pub reason: String,
}

/// One row, its fields found by the names in the header.
pub(crate) struct Fields<'a> {
    header: &'a csv::StringRecord,
    record: csv::StringRecord,
    pub(crate) line: u64,
}

impl Fields<'_> {
    /// The field in this column, without surrounding blanks.
    pub(crate) fn get(&self, column: &str) -> Result<&str, String> {
        self.optional(column).ok_or_else(|| format!("the column `{column}` is missing"))
    }

    /// The same for a column that a file need not have.
    pub(crate) fn optional(&self, column: &str) -> Option<&str> {
        self.record.get(self.header.iter().position(|name| name == column)?)
    }

    /// The field in this column as an amount of money. `None` where it is empty, or the file does not have the column.
    pub(crate) fn money(&self, column: &str) -> Result<Option<Money>, String> {
        let text = self.optional(column).filter(|text| !text.is_empty());
        text.map(|text| text.parse().map_err(|error: NoMoney| format!("the {column} {error}"))).transpose()
    }

    /// The field as a number of pieces.
    pub(crate) fn quantity(&self) -> Result<u32, String> {
        let text = self.get("quantity")?;
        text.parse().map_err(|_| format!("the quantity `{text}` is no whole number from 0 to {}", u32::MAX))
    }
}

/// Reads the file at `path`, which must have these columns and may have more.
///
/// Each line is a record of its own: a field cannot hold a line break, so a quote that is never closed spoils one row
/// and not the rest of the file.
pub(crate) fn read<T>(
    path: &Path,
    columns: &[&str],
    mut parse: impl FnMut(&Fields<'_>) -> Result<T, String>,
) -> Result<Sheet<T>, ImportError> {
    let unreadable = |source| ImportError::Unreadable { path: path.to_owned(), source };
    let mut lines = BufReader::new(File::open(path).map_err(unreadable)?).split(b'\n').zip(1_u64..);

    let header = match lines.next() {
        Some((line, _)) => record(&line.map_err(unreadable)?).unwrap_or_default(),
        None => csv::StringRecord::new(),
    };
    let missing: Vec<_> = columns.iter().filter(|column| !header.iter().any(|name| name == **column)).collect();
    if !missing.is_empty() {
        let columns = missing.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
        return Err(ImportError::Header { path: path.to_owned(), columns });
    }

    let mut sheet = Sheet { rows: Vec::new(), faults: Vec::new() };
    for (text, line) in lines {
        let text = text.map_err(unreadable)?;
        if text.trim_ascii().is_empty() {
            continue;
        }
        match record(&text).and_then(|record| parse(&complete(Fields { header: &header, record, line })?)) {
            Ok(row) => sheet.rows.push(row),
            Err(reason) => sheet.faults.push(Fault { file: name_of(path), line, reason }),
        }
    }
    Ok(sheet)
}

/// The file's name without its folder.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn record(line: &[u8]) -> Result<csv::StringRecord, String> {
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    if line.iter().filter(|byte| **byte == b'"').count() % 2 == 1 {
        return Err("a quote is opened and not closed".to_owned());
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(line);
    let mut record = csv::ByteRecord::new();
    reader.read_byte_record(&mut record).map_err(|error| error.to_string())?;
    csv::StringRecord::from_byte_record(record).map_err(|_| "the text is not in UTF-8".to_owned())
}

/// Demands one field for each column, and nothing in it that could not be kept or shown.
fn complete(fields: Fields<'_>) -> Result<Fields<'_>, String> {
    let (found, wanted) = (fields.record.len(), fields.header.len());
    for (column, field) in fields.header.iter().zip(&fields.record) {
        if field.chars().count() > LONGEST {
            return Err(format!("the column `{column}` has more than {LONGEST} characters"));
        }
        if field.chars().any(char::is_control) {
            return Err(format!("the column `{column}` has control characters"));
        }
    }
    match fields.header.get(found) {
        Some(column) => Err(format!("the column `{column}` is missing")),
        None if found > wanted => Err(format!("{found} columns, but the header has {wanted}")),
        None => Ok(fields),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read_text(text: &[u8]) -> Result<Sheet<(u64, String, u32)>, ImportError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        read(file.path(), &["name", "quantity"], |fields| {
            Ok((fields.line, fields.get("name")?.to_owned(), fields.quantity()?))
        })
    }

    fn reasons(sheet: &Sheet<(u64, String, u32)>) -> Vec<(u64, &str)> {
        sheet.faults.iter().map(|fault| (fault.line, fault.reason.as_str())).collect()
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let sheet = read_text("\u{feff}quantity,note,name\r\n 3 ,x,\"Tea, green\"\r\n\r\n0,,Ål".as_bytes()).unwrap();
        assert_eq!(sheet.rows, [(2, "Tea, green".to_owned(), 3), (4, "Ål".to_owned(), 0)]);
        assert!(sheet.faults.is_empty());
    }

    #[test]
    fn an_unreadable_row_is_reported_by_line_and_the_rest_goes_on() {
        let sheet =
            read_text(b"name,quantity\na\nb,-1\nc,1,1\n\"d,1\n\xff,1\nf,4294967296\ng,4294967295\nh\x1b[1m,1\n")
                .unwrap();
        assert_eq!(sheet.rows, [(8, "g".to_owned(), u32::MAX)]);
        assert_eq!(
            reasons(&sheet),
            [
                (2, "the column `quantity` is missing"),
                (3, "the quantity `-1` is no whole number from 0 to 4294967295"),
                (4, "3 columns, but the header has 2"),
                (5, "a quote is opened and not closed"),
                (6, "the text is not in UTF-8"),
                (7, "the quantity `4294967296` is no whole number from 0 to 4294967295"),
                (9, "the column `name` has control characters"),
            ]
        );
    }

    #[test]
    fn a_header_without_its_columns_is_an_error_of_the_file() {
        let error = read_text(b"name\na\n").unwrap_err();
        assert!(error.to_string().ends_with("lacks `quantity` in its header"), "{error}");
        assert!(read_text(b"").is_err());
    }
}
