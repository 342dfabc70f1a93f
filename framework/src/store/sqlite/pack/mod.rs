//! Pages as one row: the database packs the events of a page into a few values, and this reads them.
//!
//! Each row of an answer crosses a channel between two threads, and each of its values is copied on the way. For events
//! that costs several times as much as reading them.

mod bare;
mod full;

use std::cmp::Reverse;

use sqlx::{SqliteConnection, SqlitePool};

use crate::message::{Position, Version};
use crate::store::error::ReadError;
use crate::store::read::{Read, Scope};
use crate::store::sql::select::{self, Folded, Wanted};
use crate::store::sql::{Found, Row, Session, Statement, corrupt};

use super::dialect::DIALECT;
use super::errors::{SQLITE_TOOBIG, code};

/// How events of one kind are packed.
pub(super) trait Packed: Sized + Send {
    /// Expressions for the packed events of a query that answers `read`, `table` before each column.
    fn columns(table: &str, read: &Read) -> String;

    /// The events in `row`, from its next column on, as they were found, and the highest position among them.
    fn unpack(row: &mut Row) -> Result<(Vec<Self>, Position), ReadError>;

    /// Where the event stands, as far as its order in a page goes.
    fn place(&self) -> u64;
}

/// What a request for a page came to.
pub(super) enum Answer<E> {
    Page(Found<E>),
    /// No event can match.
    Nothing,
    /// The page fits into no value.
    TooLarge,
}

/// Reads a page.
pub(super) async fn page<E: Packed>(readers: &SqlitePool, read: &Read) -> Result<Answer<E>, ReadError> {
    let mut connection = readers.acquire().await.map_err(|error| ReadError::Unavailable { source: error.into() })?;
    match run(&mut connection, read).await? {
        Run::Page(found) => Ok(Answer::Page(found)),
        Run::Sparse(mut found, rest) => match selected::<E>(&mut connection, &rest).await? {
            Answer::Page(more) => {
                found.events.extend(more.events);
                Ok(Answer::Page(Found { head: more.head, newest: found.newest.max(more.newest), ..found }))
            }
            Answer::Nothing => Ok(Answer::Page(found)),
            Answer::TooLarge => Ok(Answer::TooLarge),
        },
        Run::None => selected(&mut connection, read).await,
    }
}

/// What came of reading the next places in one run.
enum Run<E> {
    /// The page.
    Page(Found<E>),
    /// A part of it, and the request for the rest: places were missing, since they are another tenant's or hidden.
    Sparse(Found<E>, Read),
    /// The page is no run of places.
    None,
}

/// Reads as many places as the page holds. That is cheaper than a limit, which needs a subquery whose rows are copied.
async fn run<E: Packed>(connection: &mut SqliteConnection, read: &Read) -> Result<Run<E>, ReadError> {
    let folded = select::folded(&DIALECT, read, &E::columns("e.", read));
    let Some(Folded { statement, covers }) = folded.map_err(|source| ReadError::Unavailable { source })? else {
        return Ok(Run::None);
    };
    let Some(mut row) = one_row(connection, statement).await? else { return Ok(Run::None) };
    let (head, last) = (position(&mut row, "head")?, position(&mut row, "last")?);
    let found = found(head, &mut row, "ASC")?;
    if found.events.len() >= read.limit || covers >= last.get() {
        return Ok(Run::Page(found));
    }
    let mut rest = Read { limit: read.limit - found.events.len(), ..read.clone() };
    let at_end = match &mut rest.scope {
        Scope::All { after, up_to } | Scope::Category { after, up_to, .. } => {
            *after = Position::new(covers);
            up_to.is_some_and(|up_to| up_to.get() <= covers)
        }
        Scope::Stream { after, up_to, .. } => {
            *after = Version::new(covers);
            up_to.is_some_and(|up_to| up_to.get() <= covers)
        }
    };
    Ok(if at_end { Run::Page(found) } else { Run::Sparse(found, rest) })
}

/// Reads a page with a limit.
async fn selected<E: Packed>(connection: &mut SqliteConnection, read: &Read) -> Result<Answer<E>, ReadError> {
    let wanted = select::page(&DIALECT, read).map_err(|source| ReadError::Unavailable { source })?;
    let Some(Wanted { text, values, order }) = wanted else { return Ok(Answer::Nothing) };
    let columns = E::columns("", read);
    let text = format!("SELECT (SELECT max(position) FROM annals_events), {columns} FROM ({text})");
    let Some(mut row) = one_row(connection, Statement::built(text, values)).await? else { return Ok(Answer::TooLarge) };
    let head = position(&mut row, "head")?;
    Ok(Answer::Page(found(head, &mut row, order)?))
}

/// The one row that `statement` gives; `None` for a page that fits into no value.
async fn one_row(connection: &mut SqliteConnection, statement: Statement) -> Result<Option<Row>, ReadError> {
    match connection.fetch(statement).await {
        Ok(rows) => Ok(rows.into_iter().next()),
        Err(error) if error.downcast_ref().and_then(code) == Some(SQLITE_TOOBIG) => Ok(None),
        Err(source) => Err(ReadError::Unavailable { source }),
    }
}

/// The packed events, in order.
fn found<E: Packed>(head: Position, row: &mut Row, order: &str) -> Result<Found<E>, ReadError> {
    let (mut events, newest) = E::unpack(row)?;
    // An aggregate function takes its rows in the order in which they are read; nothing promises that.
    match order {
        "ASC" if !events.is_sorted_by_key(E::place) => events.sort_by_key(E::place),
        "DESC" if !events.iter().rev().is_sorted_by_key(E::place) => {
            events.sort_by_key(|event| Reverse(event.place()));
        }
        _ => {}
    }
    Ok(Found { head, newest, events })
}

/// A position that is null where there is none.
fn position(row: &mut Row, column: &'static str) -> Result<Position, ReadError> {
    let number = row.optional_integer(column).map_err(|error| corrupt(Position::START, error))?;
    Ok(Position::new(number.unwrap_or_default().unsigned_abs()))
}
