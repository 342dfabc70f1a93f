//! Where the SQL of the databases differs.

use super::statements::Statements;
use super::subscriptions::SubscriptionSql;

/// The dialect of a database, as far as the shared code has to know it.
#[derive(Debug)]
pub(crate) struct Dialect {
    pub(crate) statements: Statements,
    /// Joins what matches the condition, from the table with this alias, to each row of what stands before. In the order
    /// written: a planner that guesses would read whole tables.
    pub(crate) join: fn(table: &str, alias: &str, condition: &str) -> String,
    /// Stands behind `annals_events e` where the rows are read in the order of their positions.
    pub(crate) by_position: &'static str,
    /// Stands behind `annals_events e` where the rows of one category are read in the order of their positions.
    pub(crate) by_category: &'static str,
    /// Stands behind `annals_events e` where the rows of one stream are read in the order of their versions.
    pub(crate) by_stream: &'static str,
    pub(crate) any_of: AnyOf,
    pub(crate) subscriptions: SubscriptionSql,
    /// The tenant of an index entry where the document of the entry is known, as the index for that has it.
    pub(crate) entry_tenant: fn(alias: &str) -> String,
    /// Stands behind an alias of `annals_index_entries` where the document of the entry is known.
    pub(crate) by_document: &'static str,
    /// The condition that `SELECT 1 ..` finds a row, looked up for each row of the statement: a planner that makes a join of
    /// it would read more.
    pub(crate) found: fn(query: &str) -> String,
}

/// How a statement asks whether a text is one of several.
#[derive(Debug)]
pub(crate) enum AnyOf {
    /// By a comparison, behind a column, with any of the texts of a JSON array, which is one parameter.
    OfJson(fn(parameter: &str) -> String),
    /// By a parameter for each of them. The last one is repeated up to a power of two, so that there are few texts of
    /// statements.
    Listed,
}
