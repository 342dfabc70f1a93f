//! Pages of events, read row by row.

use std::str::Utf8Error;

use crate::message::{Name, Position, Recorded, RecordedEvent, StoredMetadata, StreamId, Version};
use crate::store::error::{BoxError, ReadError};

use super::select::Wanted;
use super::session::Statement;
use super::value::{ColumnError, Row};

/// Names of events that are shared inside a page; more of them are kept each for itself.
const SHARED_NAMES: usize = 16;

/// A page as the database gives it.
#[derive(Debug)]
pub(crate) struct Found<E = RecordedEvent> {
    /// The head when the page was read, by the same statement: nothing up to it can be missing.
    pub(crate) head: Position,
    /// The highest position among the events, where they do not tell it themselves.
    pub(crate) newest: Position,
    pub(crate) events: Vec<E>,
}

/// The names in a page, of which most occur many times.
#[derive(Debug, Default)]
pub(crate) struct Names(Vec<Name>);

impl Names {
    /// `text` as a name that the events of the page share.
    ///
    /// # Errors
    /// When it is no text.
    pub(crate) fn shared(&mut self, text: &[u8]) -> Result<Name, Utf8Error> {
        if let Some(known) = self.0.iter().find(|known| known.as_bytes() == text) {
            return Ok(known.clone());
        }
        let name = Name::from(std::str::from_utf8(text)?.to_owned());
        if self.0.len() < SHARED_NAMES {
            self.0.push(name.clone());
        }
        Ok(name)
    }
}

/// A statement for the events of a page, one for each row. Each row begins with the head; where no event matches, one row
/// has the head alone and nulls behind it.
pub(crate) fn by_rows(wanted: Wanted) -> Statement {
    let Wanted { text, values, order } = wanted;
    let text = format!(
        "SELECT h.head, c.position, c.version, c.revision, c.recorded_at, c.event_id, c.name, c.category, \
         c.stream_id, c.metadata, c.payload \
         FROM (SELECT coalesce(max(position), 0) AS head FROM annals_events) h \
         LEFT JOIN ({text}) c ON 1 = 1 ORDER BY c.position {order}"
    );
    Statement::built(text, values)
}

/// What the rows of [`by_rows`] tell.
pub(crate) fn from_rows(rows: Vec<Row>) -> Result<Found, ReadError> {
    let mut found = Found::with_capacity(rows.len());
    for mut row in rows {
        let unknown = |error| corrupt(Position::START, error);
        found.head = row.position("head").map_err(unknown)?;
        let Some(position) = row.optional_integer("position").map_err(unknown)? else { continue };
        found.push(Position::new(position.unsigned_abs()), row)?;
    }
    Ok(found)
}

impl<E> Found<E> {
    pub(crate) fn with_capacity(events: usize) -> Self {
        Self { head: Position::START, newest: Position::START, events: Vec::with_capacity(events) }
    }
}

impl Found {
    /// Adds the event at `position`, whose further columns are still in `row`.
    pub(crate) fn push(&mut self, position: Position, row: Row) -> Result<(), ReadError> {
        let before = self.events.last().map(|event| &event.recorded);
        self.events.push(event(position, row, before).map_err(|error| corrupt(position, error))?);
        Ok(())
    }
}

fn event(position: Position, mut row: Row, before: Option<&Recorded>) -> Result<RecordedEvent, ColumnError> {
    let version = row.version("version")?.unwrap_or(Version::FIRST);
    let revision = row.small("revision")?;
    let recorded_at = row.instant("recorded_at")?;
    let id = row.id("event_id")?.into();
    let name = Name::like(before.map(|before| &before.name), &row.text("name")?);
    let stream = StreamId::like(before.map(|before| &before.stream), &row.text("category")?, &row.text("stream_id")?);
    let metadata = StoredMetadata::like(before.map(|before| &before.metadata), &row.text("metadata")?);
    let recorded = Recorded { position, stream, version, id, name, revision, recorded_at, metadata };
    Ok(RecordedEvent { recorded, payload: row.bytes("payload")? })
}

/// A stored row cannot be read.
pub(crate) fn corrupt(position: Position, error: impl Into<BoxError>) -> ReadError {
    ReadError::Corrupt { position, reason: error.into().to_string() }
}
