//! PostgreSQL connections as the shared code sees them.

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgRow, PgValueFormat};
use sqlx::{
    Arguments, AssertSqlSafe, Column, Decode, Executor, PgConnection, Postgres, Row as _, SqlSafeStr, SqlStr, TypeInfo,
    ValueRef,
};
use uuid::Uuid;

use crate::store::error::BoxError;
use crate::store::sql::{Cell, Row, Session, Statement, Value};

#[async_trait]
impl Session for PgConnection {
    async fn execute(&mut self, statement: Statement) -> Result<u64, BoxError> {
        let values = bound(statement.values)?;
        Ok(sqlx::query_with(numbered(statement.text), values).execute(self).await?.rows_affected())
    }

    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Row>, BoxError> {
        let values = bound(statement.values)?;
        let rows = sqlx::query_with(numbered(statement.text), values).fetch_all(self).await?;
        rows.iter().map(owned).collect()
    }

    async fn control(&mut self, text: &'static str) -> Result<(), BoxError> {
        Executor::execute(self, sqlx::raw_sql(text)).await?;
        Ok(())
    }
}

/// The text with parameters in PostgreSQL's form, `$1`. No statement has a question mark for anything else.
pub(super) fn numbered(text: SqlStr) -> SqlStr {
    if text.as_str().contains('?') { AssertSqlSafe(text.as_str().replace('?', "$")).into_sql_str() } else { text }
}

/// The values as the driver takes them.
pub(super) fn bound(values: Vec<Value>) -> Result<PgArguments, BoxError> {
    let mut arguments = PgArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        match value {
            Value::Integer(number) => arguments.add(number)?,
            Value::Text(text) => arguments.add(text)?,
            Value::Bytes(bytes) => arguments.add(bytes)?,
            Value::Id(id) => arguments.add(id)?,
        }
    }
    Ok(arguments)
}

/// A row that no longer needs its connection.
pub(super) fn owned(row: &PgRow) -> Result<Row, BoxError> {
    let cells: Result<_, BoxError> = (0..row.len()).map(|column| cell(row, column)).collect();
    Ok(Row::new(cells?))
}

fn cell(row: &PgRow, column: usize) -> Result<Cell, BoxError> {
    let value = row.try_get_raw(column)?;
    if value.is_null() {
        return Ok(Cell::Null);
    }
    debug_assert_eq!(value.format(), PgValueFormat::Binary, "prepared statements answer in binary form");
    let kind = value.type_info();
    Ok(match kind.name() {
        "INT8" => Cell::Integer(<i64 as Decode<Postgres>>::decode(value)?),
        "INT4" => Cell::Integer(<i32 as Decode<Postgres>>::decode(value)?.into()),
        "INT2" => Cell::Integer(<i16 as Decode<Postgres>>::decode(value)?.into()),
        "BOOL" => Cell::Integer(<bool as Decode<Postgres>>::decode(value)?.into()),
        "TEXT" | "VARCHAR" | "NAME" | "UNKNOWN" => Cell::Text(<String as Decode<Postgres>>::decode(value)?),
        "BYTEA" => Cell::Bytes(<Vec<u8> as Decode<Postgres>>::decode(value)?),
        "UUID" => Cell::Bytes(<Uuid as Decode<Postgres>>::decode(value)?.into_bytes().to_vec()),
        "VOID" => Cell::Null,
        other => {
            let name = row.column(column).name();
            return Err(format!("the column `{name}` has the type {other}, which no statement asks for").into());
        }
    })
}
