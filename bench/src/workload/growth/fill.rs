//! Many events by plain SQL, as copies of the first one.
//!
//! The columns are read from the database's catalogue. All are copied but those that tell one event from another.

use std::str::FromStr;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};

use crate::Error;
use crate::database::{Database, Home};

/// Events of one statement.
const STEP: u64 = 100_000;

/// Events of one stream.
const STREAM: u64 = 10;

/// Fills `table`, which holds one event, up to `events`.
pub(super) async fn fill(home: &Home, table: &str, events: u64) -> Result<(), Error> {
    match home.database {
        Database::Memory => Err("a store in memory cannot be filled by SQL".into()),
        Database::Sqlite => {
            let mut connection =
                SqliteConnectOptions::from_str(&home.url)?.disable_statement_logging().connect().await?;
            let columns = format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid");
            let columns = names(connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(columns))).await?)?;
            for (from, to) in steps(events) {
                let numbers = format!(
                    "WITH RECURSIVE numbers (n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM numbers WHERE n < {to})"
                );
                let own =
                    Own { stream: format!("printf('filled-%08d', n / {STREAM})"), id: "unhex(printf('%032x', n))" };
                let copy = copy(table, &columns, &own, "numbers");
                connection
                    .execute(sqlx::raw_sql(AssertSqlSafe(insert(table, &columns, &format!("{numbers} {copy}")))))
                    .await?;
            }
            connection.execute(sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")).await?;
            Ok(connection.close().await?)
        }
        Database::Postgres => {
            let mut connection = PgConnectOptions::from_str(&home.url)?.disable_statement_logging().connect().await?;
            let columns = format!(
                "SELECT attname::text FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 \
                 AND NOT attisdropped ORDER BY attnum"
            );
            let columns = names(connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(columns))).await?)?;
            for (from, to) in steps(events) {
                let numbers = format!("generate_series({from}, {to}) AS numbers (n)");
                let own = Own {
                    stream: format!("'filled-' || lpad((n / {STREAM})::text, 8, '0')"),
                    id: "lpad(to_hex(n), 32, '0')::uuid",
                };
                let copy = copy(table, &columns, &own, &numbers);
                connection.execute(sqlx::raw_sql(AssertSqlSafe(insert(table, &columns, &copy)))).await?;
            }
            // Where the database itself counts positions, it goes on after these.
            let count_on = format!(
                "SELECT setval(positions, {events}) FROM pg_get_serial_sequence('{table}', 'position') AS positions \
                 WHERE positions IS NOT NULL"
            );
            connection.execute(sqlx::raw_sql(AssertSqlSafe(count_on))).await?;
            connection.execute(sqlx::raw_sql(AssertSqlSafe(format!("VACUUM (ANALYZE) {table}")))).await?;
            connection.execute(sqlx::raw_sql("CHECKPOINT")).await?;
            Ok(connection.close().await?)
        }
        Database::Mariadb => {
            let mut connection =
                MySqlConnectOptions::from_str(&home.url)?.disable_statement_logging().connect().await?;
            let columns = format!(
                "SELECT CAST(column_name AS CHAR) FROM information_schema.columns \
                 WHERE table_schema = database() AND table_name = '{table}' ORDER BY ordinal_position"
            );
            let columns = names(connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(columns))).await?)?;
            for (from, to) in steps(events) {
                let numbers = format!("(SELECT seq AS n FROM seq_{from}_to_{to}) AS numbers");
                let own = Own {
                    stream: format!("concat('filled-', lpad(n DIV {STREAM}, 8, '0'))"),
                    id: "unhex(lpad(hex(n), 32, '0'))",
                };
                let copy = copy(table, &columns, &own, &numbers);
                connection.execute(sqlx::raw_sql(AssertSqlSafe(insert(table, &columns, &copy)))).await?;
            }
            connection.execute(sqlx::raw_sql(AssertSqlSafe(format!("ANALYZE TABLE {table}")))).await?;
            Ok(connection.close().await?)
        }
    }
}

/// Expressions over the event's number `n` for what is its own.
struct Own {
    stream: String,
    id: &'static str,
}

fn insert(table: &str, columns: &[String], copy: &str) -> String {
    format!("INSERT INTO {table} ({}) {copy}", columns.join(", "))
}

/// Selects an event for each of `numbers`, from the pattern at position 1.
fn copy(table: &str, columns: &[String], own: &Own, numbers: &str) -> String {
    let expressions = columns.iter().map(|column| match column.as_str() {
        "position" => "n".to_owned(),
        "stream_id" => own.stream.clone(),
        "version" => format!("n % {STREAM} + 1"),
        "event_id" => own.id.to_owned(),
        other => format!("pattern.{other}"),
    });
    let expressions = expressions.collect::<Vec<_>>().join(", ");
    format!("SELECT {expressions} FROM {numbers} CROSS JOIN {table} AS pattern WHERE pattern.position = 1")
}

fn names<R: Row>(rows: Vec<R>) -> Result<Vec<String>, Error>
where
    usize: sqlx::ColumnIndex<R>,
    String: for<'r> sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// The numbers from 2 to `events`, in steps.
fn steps(events: u64) -> impl Iterator<Item = (u64, u64)> {
    (2..=events).step_by(STEP as usize).map(move |from| (from, events.min(from + STEP - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_cover_every_number_once() {
        assert_eq!(steps(250_000).collect::<Vec<_>>(), [(2, 100_001), (100_002, 200_001), (200_002, 250_000)]);
        assert_eq!(steps(1).count(), 0);
    }
}
