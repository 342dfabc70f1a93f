//! Pages of events.

use crate::message::{Position, Recorded, RecordedEvent, StoredMetadata, StreamId, Version};
use crate::store::error::ReadError;
use crate::store::read::{Page, Read};

use super::dialect::Dialect;
use super::select;
use super::store::SqlStore;
use super::value::{ColumnError, Row};

/// Reads one page.
pub(super) async fn page<S: SqlStore>(store: &S, dialect: &Dialect, read: &Read) -> Result<Page, ReadError> {
    let statement = select::page(dialect, read).map_err(|source| ReadError::Unavailable { source })?;
    let rows = store.fetch(statement).await.map_err(|source| ReadError::Unavailable { source })?;
    let mut head = Position::START;
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        let (at, found) = event(row)?;
        head = at;
        events.extend(found);
    }
    Ok(Page::answer(read, events, head))
}

/// The head, and the event behind it if there is one.
fn event(mut row: Row) -> Result<(Position, Option<RecordedEvent>), ReadError> {
    let corrupt = |position, error: ColumnError| ReadError::Corrupt { position, reason: error.to_string() };
    let head = row.position("head").map_err(|error| corrupt(Position::START, error))?;
    if row.is_empty() {
        return Ok((head, None));
    }
    let position = row.optional_integer("position").map_err(|error| corrupt(Position::START, error))?;
    let Some(position) = position.map(|number| Position::new(number.unsigned_abs())) else { return Ok((head, None)) };
    let event = recorded(position, row).map_err(|error| corrupt(position, error))?;
    Ok((head, Some(event)))
}

fn recorded(position: Position, mut row: Row) -> Result<RecordedEvent, ColumnError> {
    let version = row.version("version")?.unwrap_or(Version::FIRST);
    let id = row.id("event_id")?.into();
    let name = row.text("name")?;
    let revision = row.small("revision")?;
    let payload = row.bytes("payload")?;
    let metadata = StoredMetadata::from_json(row.text("metadata")?);
    let recorded_at = row.instant("recorded_at")?;
    let stream = StreamId::new(row.text("category")?, row.text("stream_id")?);
    Ok(RecordedEvent {
        recorded: Recorded { position, stream, version, id, name, revision, recorded_at, metadata },
        payload,
    })
}
