//! A connection as the shared code sees it.

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::store::error::BoxError;

use super::value::{Row, Value};

/// A statement with its parameters.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) text: SqlStr,
    pub(crate) values: Vec<Value>,
}

impl Statement {
    /// A statement whose text never changes.
    pub(crate) fn new(text: &'static str) -> Self {
        Self { text: text.into_sql_str(), values: Vec::new() }
    }

    /// A statement that was put together from fixed parts, without any value in its text.
    pub(crate) fn built(text: String, values: Vec<Value>) -> Self {
        Self { text: AssertSqlSafe(text).into_sql_str(), values }
    }

    /// Adds the next parameter.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }
}

/// A connection or a transaction on one.
#[async_trait]
pub(crate) trait Session: Send {
    /// Runs a statement; returns the number of rows that it changed.
    async fn execute(&mut self, statement: Statement) -> Result<u64, BoxError>;

    /// Runs a statement and reads all of its rows.
    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, BoxError>;

    /// Runs a statement of transaction control, which some databases take in their plain protocol only.
    async fn control(&mut self, text: &'static str) -> Result<(), BoxError>;
}
