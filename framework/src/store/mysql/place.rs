//! Where a connection leads, and how its session is set.

use std::fmt;

use crate::store::error::BoxError;
use crate::store::sql::{Row, Statement, first};

/// A database of a server, and the mode of the session.
#[derive(Debug)]
pub(super) struct Place {
    /// What tells servers apart: MariaDB has no number of its own for each.
    server: (String, i64, String, i64),
    database: Option<String>,
    mode: String,
}

impl Place {
    /// Asks for it.
    pub(super) fn question() -> Statement {
        Statement::new("SELECT @@hostname, @@port, @@datadir, @@server_id, COALESCE(DATABASE(), ''), @@sql_mode")
    }

    pub(super) fn read(answer: Vec<Row>) -> Result<Self, BoxError> {
        let place = first(answer, |mut row| {
            let server = (row.text("host")?, row.integer("port")?, row.text("directory")?, row.integer("server")?);
            let database = Some(row.text("database")?).filter(|name| !name.is_empty());
            Ok(Self { server, database, mode: row.text("mode")? })
        })?;
        place.ok_or_else(|| "the server did not tell where it is".into())
    }

    /// Whether both lead to the same database.
    pub(super) fn is(&self, other: &Self) -> bool {
        (&self.server, &self.database) == (&other.server, &other.database)
    }

    /// Whether a value that does not fit is refused.
    pub(super) fn is_strict(&self) -> bool {
        self.mode.split(',').any(|mode| matches!(mode, "STRICT_ALL_TABLES" | "STRICT_TRANS_TABLES"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.database {
            Some(database) => write!(f, "of the database `{database}`"),
            None => f.write_str("of no database"),
        }
    }
}
