//! What came of an import.

use super::Fault;

/// What came of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows that were carried out for the first time.
    pub new: u64,
    /// Rows that an earlier import had carried out.
    pub known: u64,
    /// Rows that could not be read, then rows that the domain refused, each in the order of its file.
    pub faults: Vec<Fault>,
}
