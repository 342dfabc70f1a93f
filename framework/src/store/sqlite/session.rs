//! SQLite connections as the shared code sees them.

use async_trait::async_trait;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, Decode, Row as _, SqlSafeStr, Sqlite, SqliteConnection, TypeInfo, ValueRef};

use crate::store::error::BoxError;
use crate::store::sql::{Cell, Row, Session, Statement, Value};

#[async_trait]
impl Session for SqliteConnection {
    async fn execute(&mut self, statement: Statement) -> Result<u64, BoxError> {
        let values = bound(statement.values)?;
        Ok(sqlx::query_with(statement.text, values).execute(self).await?.rows_affected())
    }

    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, BoxError> {
        let values = bound(statement.values)?;
        let rows = sqlx::query_with(statement.text, values).fetch_all(self).await?;
        rows.iter().map(owned).collect()
    }

    async fn control(&mut self, text: &'static str) -> Result<(), BoxError> {
        sqlx::query(text.into_sql_str()).execute(self).await?;
        Ok(())
    }
}

fn bound(values: Vec<Value>) -> Result<SqliteArguments, BoxError> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        match value {
            Value::Integer(number) => arguments.add(number)?,
            Value::Text(text) => arguments.add(text)?,
            Value::Bytes(bytes) => arguments.add(bytes)?,
            Value::Id(id) => arguments.add(id.as_bytes().to_vec())?,
        }
    }
    Ok(arguments)
}

fn owned(row: &SqliteRow) -> Result<Row, BoxError> {
    let cells: Result<_, BoxError> = (0..row.len()).map(|column| cell(row, column)).collect();
    Ok(Row::new(cells?))
}

fn cell(row: &SqliteRow, column: usize) -> Result<Cell, BoxError> {
    let value = row.try_get_raw(column)?;
    let kind = value.type_info();
    Ok(match kind.name() {
        _ if value.is_null() => Cell::Null,
        "INTEGER" => Cell::Integer(<i64 as Decode<Sqlite>>::decode(value)?),
        "TEXT" => Cell::Text(<String as Decode<Sqlite>>::decode(value)?),
        "BLOB" => Cell::Bytes(<Vec<u8> as Decode<Sqlite>>::decode(value)?),
        other => {
            return Err(format!("column {column} holds a value of type {other}, which no statement asks for").into());
        }
    })
}
