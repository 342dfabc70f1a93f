//! Pages of whole events, read row by row and taken straight from the bytes of the answer.

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::message::{Position, Recorded, RecordedEvent, StoredMetadata, StreamId, Timestamp, Version};
use crate::store::error::{BoxError, ReadError};
use crate::store::sql::{Found, Names, Statement, Wanted, corrupt};

use super::readers::Readers;

/// Reads a page.
pub(super) async fn page(readers: &Readers, wanted: Wanted) -> Result<Found, ReadError> {
    let order = wanted.order;
    let rows = readers.fetch(statement(wanted)).await.map_err(|source| ReadError::Unavailable { source })?;
    let mut found: Found = Found::with_capacity(rows.len());
    let mut names = Names::default();
    for row in &rows {
        let position = number(row, 0).map(|number| Position::new(number.unsigned_abs()));
        let position = position.map_err(|error| corrupt(Position::START, error))?;
        match field(row, 1) {
            None => found.head = position,
            Some(_) => {
                let last = found.events.last().map(|event| &event.recorded.stream);
                let event = event(row, position, last, &mut names);
                found.events.push(event.map_err(|error| corrupt(position, error))?);
            }
        }
    }
    // The parts of a union come one after the other, each in its own order; nothing promises that.
    let position = |event: &RecordedEvent| event.recorded.position;
    match order {
        "ASC" if !found.events.is_sorted_by_key(position) => found.events.sort_by_key(position),
        "DESC" if !found.events.iter().rev().is_sorted_by_key(position) => {
            found.events.sort_by_key(|event| std::cmp::Reverse(position(event)));
        }
        _ => {}
    }
    Ok(found)
}

/// A statement for a row with the head, and a row for each event. One statement sees one state of the database, so that
/// nothing up to the head can be missing. The head in each row would cost a tenth of the time of a page.
fn statement(Wanted { text, values, .. }: Wanted) -> Statement {
    let text = format!(
        "SELECT coalesce(max(position), 0), NULL::bigint, NULL::bigint, NULL::bigint, NULL::uuid, NULL::text, \
         NULL::text, NULL::text, NULL::text, NULL::bytea FROM annals_events UNION ALL ({text})"
    );
    Statement::built(text, values)
}

fn event(
    row: &PgRow,
    position: Position,
    last: Option<&StreamId>,
    names: &mut Names,
) -> Result<RecordedEvent, BoxError> {
    let version = Version::new(number(row, 1)?.unsigned_abs()).ok_or("a version of 0")?;
    let revision = u32::try_from(number(row, 2)?)?;
    let recorded_at = Timestamp::from_micros(number(row, 3)?);
    let id = Uuid::from_slice(present(row, 4)?)?.into();
    let name = names.shared(present(row, 5)?)?;
    let stream = StreamId::like(last, text(row, 6)?, text(row, 7)?);
    let metadata = StoredMetadata::from_json(text(row, 8)?.to_owned());
    let payload = present(row, 9)?.to_vec();
    Ok(RecordedEvent {
        recorded: Recorded { position, stream, version, id, name, revision, recorded_at, metadata },
        payload,
    })
}

/// The bytes of a column in binary form; `None` for null.
pub(super) fn field(row: &PgRow, column: usize) -> Option<&[u8]> {
    row.try_get_raw(column).ok()?.as_bytes().ok()
}

pub(super) fn present(row: &PgRow, column: usize) -> Result<&[u8], BoxError> {
    field(row, column).ok_or_else(|| format!("column {column} is null").into())
}

pub(super) fn number(row: &PgRow, column: usize) -> Result<i64, BoxError> {
    Ok(i64::from_be_bytes(present(row, column)?.try_into()?))
}

fn text(row: &PgRow, column: usize) -> Result<&str, BoxError> {
    Ok(std::str::from_utf8(present(row, column)?)?)
}
