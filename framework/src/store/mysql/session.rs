//! Connections as the shared code sees them.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::{
    Arguments, AssertSqlSafe, Decode, Either, MySql, MySqlConnection, Row as _, SqlSafeStr, SqlStr, TypeInfo, ValueRef,
};

use crate::store::error::BoxError;
use crate::store::sql::{Cell, Row, Session, Statement, Value};

use super::parameters;

/// How long a statement may take. Longer means that the server, or the way to it, is gone without a word.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// The server did not answer within a stated time. The connection is of no further use.
#[derive(Debug)]
pub(super) struct NoAnswer(pub(super) Duration);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server did not answer within {:?}", self.0)
    }
}

impl std::error::Error for NoAnswer {}

/// Waits for `answer`, but not for ever.
pub(super) async fn within<T, E: Into<BoxError>>(
    patience: Duration,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, BoxError> {
    match tokio::time::timeout(patience, answer).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(NoAnswer(patience).into()),
    }
}

#[async_trait]
impl Session for MySqlConnection {
    async fn execute(&mut self, statement: Statement) -> Result<u64, BoxError> {
        let (text, values) = positional(statement)?;
        let done = within(PATIENCE, sqlx::query_with(text, values).execute(self)).await?;
        Ok(done.rows_affected())
    }

    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, BoxError> {
        rows(self, statement).await?.iter().map(owned).collect()
    }

    async fn control(&mut self, text: &'static str) -> Result<(), BoxError> {
        within(PATIENCE, sqlx::raw_sql(text).execute(self)).await?;
        Ok(())
    }
}

/// The rows of a statement, as the driver gives them.
pub(super) async fn rows(connection: &mut MySqlConnection, statement: Statement) -> Result<Vec<MySqlRow>, BoxError> {
    let (text, values) = positional(statement)?;
    within(PATIENCE, sqlx::query_with(text, values).fetch_all(connection)).await
}

/// Runs several statements, whose values stand in the text, in one round trip. Gives the rows of all of them; an error
/// says how many statements had succeeded before.
pub(super) async fn run(
    connection: &mut MySqlConnection,
    script: String,
    patience: Duration,
) -> Result<Vec<Row>, (usize, BoxError)> {
    let (mut rows, mut done) = (Vec::new(), 0);
    let mut results = sqlx::raw_sql(AssertSqlSafe(script)).fetch_many(connection);
    let read = async {
        while let Some(result) = results.try_next().await? {
            match result {
                Either::Left(_) => done += 1,
                Either::Right(row) => rows.push(owned(&row)?),
            }
        }
        Ok::<_, BoxError>(())
    };
    match within(patience, read).await {
        Ok(()) => Ok(rows),
        Err(error) => Err((done, error)),
    }
}

/// MySQL's parameters have no numbers: a value that is asked for twice goes twice.
fn positional(statement: Statement) -> Result<(SqlStr, MySqlArguments), BoxError> {
    let Statement { text, values } = statement;
    let mut arguments = MySqlArguments::default();
    let text = parameters::replaced(text.as_str(), |text, number| {
        let value = values.get(number).ok_or_else(|| format!("the statement has no value for ?{}", number + 1))?;
        text.push('?');
        bind(&mut arguments, value)
    })?;
    Ok((AssertSqlSafe(text).into_sql_str(), arguments))
}

fn bind(arguments: &mut MySqlArguments, value: &Value) -> Result<(), BoxError> {
    match value {
        Value::Integer(number) => arguments.add(number)?,
        Value::Text(text) => arguments.add(text)?,
        Value::Bytes(bytes) => arguments.add(bytes)?,
        Value::Id(id) => arguments.add(&id.as_bytes()[..])?,
    }
    Ok(())
}

pub(super) fn owned(row: &MySqlRow) -> Result<Row, BoxError> {
    let cells: Result<_, BoxError> = (0..row.len()).map(|column| cell(row, column)).collect();
    Ok(Row::new(cells?))
}

/// Keys are texts in binary columns, so the type of a column does not tell texts from blobs: what is UTF-8 is a text.
fn cell(row: &MySqlRow, column: usize) -> Result<Cell, BoxError> {
    let value = row.try_get_raw(column)?;
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let kind = value.type_info();
    let name = kind.name();
    if name.contains("INT") || name == "BOOLEAN" {
        return Ok(Cell::Integer(<i64 as Decode<MySql>>::decode(value)?));
    }
    if name == "DECIMAL" {
        return Ok(Cell::Integer(<&str as Decode<MySql>>::decode(value)?.parse()?));
    }
    let bytes = <Vec<u8> as Decode<MySql>>::decode(value)?;
    Ok(String::from_utf8(bytes).map_or_else(|error| Cell::Bytes(error.into_bytes()), Cell::Text))
}
