//! Pages as one row: the database packs the events of a page into one blob, and this reads it.
//!
//! Each row of an answer crosses a channel between two threads, and each of its values is copied on the way. For events
//! that costs several times as much as reading them.
//!
//! An event is packed as texts with a zero byte behind each: position, version, revision, time, length of the payload,
//! name, category, stream id and metadata, none of which can hold a zero byte; then the 16 bytes of its id and the
//! payload as it is.

use std::cmp::Reverse;
use std::str::FromStr;

use sqlx::{SqliteConnection, SqlitePool};
use uuid::Uuid;

use crate::message::{Name, Position, Recorded, RecordedEvent, StoredMetadata, StreamId, Timestamp, Version};
use crate::store::error::{BoxError, ReadError};
use crate::store::read::{Content, Read, Scope};
use crate::store::sql::select::{self, Folded};
use crate::store::sql::{Found, Row, Session, Statement, by_rows, corrupt, from_rows};

use super::dialect::DIALECT;
use super::errors::{SQLITE_TOOBIG, code};

/// Names of events that are shared inside a page; more of them are kept each for itself.
const SHARED_NAMES: usize = 16;

/// Reads a page; `None` where no event can match.
pub(super) async fn page(readers: &SqlitePool, read: &Read) -> Result<Option<Found>, ReadError> {
    let mut connection = readers.acquire().await.map_err(|error| ReadError::Unavailable { source: error.into() })?;
    match run(&mut connection, read).await? {
        Run::Page(found) => Ok(Some(found)),
        Run::Sparse(found, rest) => {
            let Some(more) = selected(&mut connection, &rest).await? else { return Ok(Some(found)) };
            Ok(Some(Found { head: more.head, events: found.events.into_iter().chain(more.events).collect() }))
        }
        Run::None => selected(&mut connection, read).await,
    }
}

/// What came of reading the next places in one run.
enum Run {
    /// The page.
    Page(Found),
    /// A part of it, and the request for the rest: places were missing, since they are another tenant's or hidden.
    Sparse(Found, Read),
    /// The page is no run of places.
    None,
}

/// Reads as many places as the page holds. That is cheaper than a limit, which needs a subquery whose rows are copied.
async fn run(connection: &mut SqliteConnection, read: &Read) -> Result<Run, ReadError> {
    let folded = select::folded(&DIALECT, read, &columns("e.", read.content));
    let Some(Folded { statement, covers }) = folded.map_err(|source| ReadError::Unavailable { source })? else {
        return Ok(Run::None);
    };
    let Some(mut row) = one_row(connection, statement).await? else { return Ok(Run::None) };
    let (head, newest) = (number(&mut row, "head")?, number(&mut row, "newest")?);
    let found = Found { head: Position::new(head), events: events(&mut row, "ASC")? };
    if found.events.len() >= read.limit || covers >= newest {
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

/// Reads a page with a limit; `None` where no event can match.
async fn selected(connection: &mut SqliteConnection, read: &Read) -> Result<Option<Found>, ReadError> {
    let unavailable = |source: BoxError| ReadError::Unavailable { source };
    let Some(wanted) = select::page(&DIALECT, read).map_err(unavailable)? else { return Ok(None) };
    let text = format!(
        "SELECT (SELECT max(position) FROM annals_events), {} FROM ({})",
        columns("", Content::Full),
        wanted.text
    );
    let statement = Statement::built(text, wanted.values.clone());
    let Some(mut row) = one_row(connection, statement).await? else {
        return Ok(Some(from_rows(connection.fetch(by_rows(wanted)).await.map_err(unavailable)?)?));
    };
    let head = Position::new(number(&mut row, "head")?);
    Ok(Some(Found { head, events: events(&mut row, wanted.order)? }))
}

/// The one row that `statement` gives; `None` for a page that fits into no blob.
async fn one_row(connection: &mut SqliteConnection, statement: Statement) -> Result<Option<Row>, ReadError> {
    match connection.fetch(statement).await {
        Ok(rows) => Ok(rows.into_iter().next()),
        Err(error) if error.downcast_ref().and_then(code) == Some(SQLITE_TOOBIG) => Ok(None),
        Err(source) => Err(ReadError::Unavailable { source }),
    }
}

/// An expression for the packed events.
fn columns(table: &str, content: Content) -> String {
    let e = table;
    let (length, payload) = match content {
        Content::WithoutPayload => ("0".to_owned(), String::new()),
        Content::Full => (format!("octet_length({e}payload)"), format!(" || {e}payload")),
    };
    format!(
        "CAST(group_concat(concat_ws(x'00', {e}position, {e}version, {e}revision, {e}recorded_at, {length}, {e}name, \
         {e}category, {e}stream_id, {e}metadata, {e}event_id{payload}), '') AS BLOB)"
    )
}

/// A number that is null where there is none.
fn number(row: &mut Row, column: &'static str) -> Result<u64, ReadError> {
    let number = row.optional_integer(column).map_err(|error| corrupt(Position::START, error))?;
    Ok(number.unwrap_or_default().unsigned_abs())
}

/// The packed events, in order.
fn events(row: &mut Row, order: &str) -> Result<Vec<RecordedEvent>, ReadError> {
    let packed = row.optional_bytes("events").map_err(|error| corrupt(Position::START, error))?;
    let mut events = unpack(&packed.unwrap_or_default())?;
    // An aggregate function takes its rows in the order in which they are read; nothing promises that.
    let position = |event: &RecordedEvent| event.recorded.position;
    match order {
        "ASC" if !events.is_sorted_by_key(position) => events.sort_by_key(position),
        "DESC" if !events.iter().rev().is_sorted_by_key(position) => {
            events.sort_by_key(|event| Reverse(position(event)));
        }
        _ => {}
    }
    Ok(events)
}

fn unpack(bytes: &[u8]) -> Result<Vec<RecordedEvent>, ReadError> {
    let mut rest = Packed(bytes);
    let mut events: Vec<RecordedEvent> = Vec::new();
    let mut names: Vec<Name> = Vec::new();
    while !rest.0.is_empty() {
        let last = events.last().map(|event| &event.recorded);
        let position = last.map(|last| last.position).unwrap_or_default();
        let event = rest.event(last, &mut names);
        events.push(event.map_err(|error| corrupt(position.next(), error))?);
    }
    Ok(events)
}

/// What is left to read.
struct Packed<'a>(&'a [u8]);

impl<'a> Packed<'a> {
    fn event(&mut self, last: Option<&Recorded>, names: &mut Vec<Name>) -> Result<RecordedEvent, BoxError> {
        let position = Position::new(self.number()?);
        let version = Version::new(self.number()?).ok_or("a version of 0")?;
        let revision = self.number()?;
        let recorded_at = Timestamp::from_micros(self.number()?);
        let length = self.number()?;
        let name = shared(names, self.text()?);
        let stream = StreamId::like(last.map(|last| &last.stream), self.text()?, self.text()?);
        let metadata = StoredMetadata::like(last.map(|last| &last.metadata), self.text()?);
        let id = Uuid::from_slice(self.take(16)?)?.into();
        let payload = self.take(length)?.to_vec();
        let recorded = Recorded { position, stream, version, id, name, revision, recorded_at, metadata };
        Ok(RecordedEvent { recorded, payload })
    }

    fn number<T: FromStr<Err: Into<BoxError>>>(&mut self) -> Result<T, BoxError> {
        self.text()?.parse().map_err(Into::into)
    }

    /// What stands before the next zero byte.
    fn text(&mut self) -> Result<&'a str, BoxError> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or("a text without an end")?;
        let text = std::str::from_utf8(&self.0[..end])?;
        self.0 = &self.0[end + 1..];
        Ok(text)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], BoxError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("fewer bytes than were announced")?;
        self.0 = rest;
        Ok(taken)
    }
}

/// `text` as a name that the events of the page share.
fn shared(names: &mut Vec<Name>, text: &str) -> Name {
    if let Some(known) = names.iter().find(|known| ***known == *text) {
        return known.clone();
    }
    let name = Name::from(text.to_owned());
    if names.len() < SHARED_NAMES {
        names.push(name.clone());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::unpack;

    fn packed(position: u64, payload: &[u8]) -> Vec<u8> {
        let mut bytes = format!("{position}\x003\x001\0-5\0{}\0one\0wallet\0a\0{{}}\0", payload.len()).into_bytes();
        bytes.extend([7; 16]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn what_was_packed_is_read() {
        let bytes = [packed(8, b"a\0b"), packed(9, b"")].concat();
        let events = unpack(&bytes).unwrap();
        let read = |index: usize| (events[index].recorded.position.get(), events[index].payload.as_slice());
        assert_eq!([read(0), read(1)], [(8, b"a\0b".as_slice()), (9, b"")]);
        assert_eq!((events[1].recorded.version.get(), events[1].recorded.recorded_at.as_micros()), (3, -5));
        assert_eq!(events[1].recorded.stream.to_string(), "wallet/a");
    }

    #[test]
    fn bytes_that_are_cut_off_are_reported() {
        let bytes = packed(8, b"payload");
        for end in 1..bytes.len() {
            assert!(unpack(&bytes[..end]).is_err(), "{end}");
        }
    }
}
