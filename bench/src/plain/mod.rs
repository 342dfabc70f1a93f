//! The same work in plain SQL, with the columns, the indexes and the durable settings of Annals' events.
//!
//! Written as one would write it by hand for speed: prepared statements with constant text, connections that are not
//! tested before use, the write lock taken at once where a database has one. It does less than Annals: it records no
//! commands, folds no state before it writes, wakes nobody.

mod access;
mod group;
mod mariadb;
mod postgres;
mod projection;
mod row;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;

use crate::Error;
use crate::database::{Database, Home};
use crate::deposit::Deposit;
use crate::totals::Totals;

pub(crate) use access::Access;
pub(crate) use group::Group;
pub(crate) use projection::{Listening, by_pages, one_by_one, project, totals};
pub(crate) use row::Row;

/// A table of events in one database.
#[async_trait]
pub(crate) trait Table: Send + Sync + 'static {
    /// Appends one deposit: a transaction with a SELECT of the stream's version and an INSERT. Begins again where another
    /// client took the version.
    async fn deposit(&self, deposit: &Deposit) -> Result<(), Error>;

    /// Inserts rows with as few statements as the database allows, in one commit. The database gives the positions,
    /// unless the rows have them.
    async fn insert(&self, rows: &[Row]) -> Result<(), Error>;

    /// Inserts `row`, which carries `boundary` as its tag, if no row with this tag has a position after `after`: a
    /// transaction with a lock on the tag, a SELECT and two INSERTs. `None` for `after` takes the newest position as
    /// it is, so that it always holds. Gives the row's position, or `None` when there was such a row.
    async fn insert_if(&self, row: &Row, boundary: &str, after: Option<i64>) -> Result<Option<i64>, Error>;

    /// A page of positions and payloads after `position`.
    async fn after(&self, position: i64) -> Result<Vec<(i64, Vec<u8>)>, Error>;

    /// Reads the payloads of `part` in order, decodes and adds them.
    async fn fold(&self, part: Part<'_>, packing: Packing) -> Result<Totals, Error>;

    /// How many events there are.
    async fn count(&self) -> Result<u64, Error>;

    /// Closes every connection.
    async fn close(&self);
}

/// Which events are read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    /// One account's.
    Stream(&'a str),
    /// All.
    All,
}

/// How events cross from the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Row by row, in one SELECT.
    Rows,
    /// In pages, each glued together by the database into one row of JSON lines.
    Pages,
}

/// Events of one page.
const PAGE: i64 = 2048;

/// Opens the table of a database, and makes it if it is missing.
pub(crate) async fn open(home: &Home, access: Access) -> Result<Arc<dyn Table>, Error> {
    Ok(match home.database {
        Database::Memory => return Err("there is no plain SQL in memory".into()),
        Database::Sqlite => Arc::new(sqlite::Sqlite::open(&home.url, access).await?),
        Database::Postgres => Arc::new(postgres::Postgres::open(&home.url, access).await?),
        Database::Mariadb => Arc::new(mariadb::MariaDb::open(&home.url, access).await?),
    })
}

#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;
