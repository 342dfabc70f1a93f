//! Many events by plain SQL, as copies of the first one.
//!
//! The columns are read from the database's catalogue. All are copied but those that tell one event from another.

use crate::Error;
use crate::database::{Database, Home};

/// Events of one statement.
const STEP: u64 = 100_000;

/// Events of one stream.
const STREAM: u64 = 10;

/// Fills `table`, which holds one event, up to `events`.
pub(super) async fn fill(home: &Home, table: &str, events: u64) -> Result<(), Error> {
    let dialect = Dialect::of(home.database)?;
    let columns = home.texts(dialect.columns.replace("{table}", table)).await?;
    for (from, to) in steps(events) {
        home.execute(dialect.insert(table, &columns, from, to)).await?;
    }
    for statement in dialect.afterwards {
        home.execute(statement.replace("{table}", table).replace("{events}", &events.to_string())).await?;
    }
    Ok(())
}

/// What differs between the databases. What stands in braces is filled in: the table's name, the number of events, the
/// first and the last number of a step, the length of a stream. `n` is an event's number.
struct Dialect {
    columns: &'static str,
    /// Goes before the INSERT's SELECT.
    with: &'static str,
    /// A table of numbers.
    numbers: &'static str,
    stream: &'static str,
    id: &'static str,
    /// Brings the database to rest.
    afterwards: &'static [&'static str],
}

impl Dialect {
    fn of(database: Database) -> Result<Self, Error> {
        Ok(match database {
            Database::Memory => return Err("a store in memory cannot be filled by SQL".into()),
            Database::Sqlite => Self {
                columns: "SELECT name FROM pragma_table_info('{table}') ORDER BY cid",
                with: "WITH RECURSIVE numbers (n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM numbers WHERE n < {to})",
                numbers: "numbers",
                stream: "printf('filled-%08d', n / {stream})",
                id: "unhex(printf('%032x', n))",
                afterwards: &["PRAGMA wal_checkpoint(TRUNCATE)"],
            },
            Database::Postgres => Self {
                columns: "SELECT attname::text FROM pg_attribute \
                    WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
                with: "",
                numbers: "generate_series({from}, {to}) AS numbers (n)",
                stream: "'filled-' || lpad((n / {stream})::text, 8, '0')",
                id: "lpad(to_hex(n), 32, '0')::uuid",
                afterwards: &[
                    // Where the database itself counts positions, it goes on after these.
                    "SELECT setval(positions, {events}) FROM pg_get_serial_sequence('{table}', 'position') AS positions \
                     WHERE positions IS NOT NULL",
                    "VACUUM (ANALYZE) {table}",
                    "CHECKPOINT",
                ],
            },
            Database::Mariadb => Self {
                columns: "SELECT CAST(column_name AS CHAR) FROM information_schema.columns \
                    WHERE table_schema = database() AND table_name = '{table}' ORDER BY ordinal_position",
                with: "",
                numbers: "(SELECT seq AS n FROM seq_{from}_to_{to}) AS numbers",
                stream: "concat('filled-', lpad(n DIV {stream}, 8, '0'))",
                id: "unhex(lpad(hex(n), 32, '0'))",
                afterwards: &["ANALYZE TABLE {table}"],
            },
        })
    }

    /// Copies the pattern at position 1 for each number of a step.
    fn insert(&self, table: &str, columns: &[String], from: u64, to: u64) -> String {
        let Self { with, numbers, .. } = self;
        let expressions = columns.iter().map(|column| match column.as_str() {
            "position" => "n".to_owned(),
            "stream_id" => self.stream.replace("{stream}", &STREAM.to_string()),
            "version" => format!("n % {STREAM} + 1"),
            "event_id" => self.id.to_owned(),
            other => format!("pattern.{other}"),
        });
        let expressions = expressions.collect::<Vec<_>>().join(", ");
        let step = |text: &str| text.replace("{from}", &from.to_string()).replace("{to}", &to.to_string());
        format!(
            "INSERT INTO {table} ({}) {} SELECT {expressions} FROM {} CROSS JOIN {table} AS pattern WHERE pattern.position = 1",
            columns.join(", "),
            step(with),
            step(numbers),
        )
    }
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
