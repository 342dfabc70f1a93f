//! Where the SQL of the databases differs.

use super::statements::Statements;

/// The dialect of a database, as far as the shared code has to know it.
#[derive(Debug)]
pub(crate) struct Dialect {
    pub(crate) statements: Statements,
    /// Joins the table to its right in the order written; a planner that guesses would read whole tables.
    pub(crate) join: &'static str,
    /// Stands behind `annals_events e` where the rows are read in the order of their positions.
    pub(crate) by_position: &'static str,
    /// Stands behind `annals_events e` where the rows of one category are read in the order of their positions.
    pub(crate) by_category: &'static str,
    /// A comparison, behind a column, with any of the texts of the JSON array that is the parameter.
    pub(crate) any_of: fn(parameter: &str) -> String,
}
