//! The figures of a run: rows, a table for people, a file for programs.

mod figures;
mod row;
mod table;

use std::path::Path;

use crate::Error;

pub(crate) use figures::{Figures, Merge};
pub(crate) use row::{Case, Row, ratio};
pub(crate) use table::{summary, table};

/// Writes the rows to `file`, as a JSON array of objects.
pub(crate) fn write(file: &Path, rows: &[Row]) -> Result<(), Error> {
    Ok(std::fs::write(file, serde_json::to_vec_pretty(rows)?)?)
}
