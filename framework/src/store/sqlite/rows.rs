//! From rows to records, and from records to the JSON that statements take.

use sqlx::sqlite::SqliteRow;
use sqlx::{Error, Row};
use uuid::Uuid;

use crate::message::{Position, Timestamp, Version};
use crate::store::append::{CommandRecord, Outcome};
use crate::store::records::{DeadLetter, Document, Effect, LetterState, SagaRow, Snapshot, Timer};

pub(super) fn position(number: i64) -> Position {
    Position::new(number.unsigned_abs())
}

pub(super) fn version(number: i64) -> Option<Version> {
    Version::new(number.unsigned_abs())
}

/// SQLite's integers are signed; positions, versions and counters never reach their end.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of rows for `LIMIT`.
pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// Bytes as two JSON values of which one is null: text, or hexadecimal digits of what is no text. SQLite cuts off a
/// JSON text at a zero character, so such a text goes as digits.
pub(super) fn bytes(bytes: &[u8]) -> (Option<&str>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => (Some(text), None),
        _ => (None, Some(hexadecimal(bytes))),
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

pub(super) fn id(row: &SqliteRow, column: usize) -> Result<Uuid, Error> {
    let bytes: &[u8] = row.try_get_unchecked(column)?;
    Uuid::from_slice(bytes).map_err(|source| Error::ColumnDecode { index: column.to_string(), source: source.into() })
}

fn number(row: &SqliteRow, column: usize) -> Result<u64, Error> {
    Ok(row.try_get_unchecked::<i64, _>(column)?.unsigned_abs())
}

fn small(row: &SqliteRow, column: usize) -> Result<u32, Error> {
    Ok(u32::try_from(number(row, column)?).unwrap_or(u32::MAX))
}

fn instant(row: &SqliteRow, column: usize) -> Result<Timestamp, Error> {
    Ok(Timestamp::from_micros(row.try_get_unchecked(column)?))
}

/// The record of a command of a tenant.
pub(super) const COMMAND: &str = "SELECT command_id, name, outcome, answer, recorded_at, position, version, target FROM annals_commands \
     WHERE tenant = ?1 AND command_id = ?2";

/// A row of [`COMMAND`].
pub(super) fn command(row: &SqliteRow) -> Result<CommandRecord, Error> {
    let answer = row.try_get_unchecked(3)?;
    let outcome = match row.try_get_unchecked::<&str, _>(2)? {
        "rejected" => Outcome::Rejected(answer),
        _ => Outcome::Done(answer),
    };
    Ok(CommandRecord {
        id: id(row, 0)?.into(),
        name: row.try_get_unchecked(1)?,
        outcome,
        recorded_at: instant(row, 4)?,
        position: position(row.try_get_unchecked(5)?),
        version: row.try_get_unchecked::<Option<i64>, _>(6)?.and_then(version),
        target: row.try_get_unchecked(7)?,
    })
}

/// `key, revision, body`
pub(super) fn document(row: &SqliteRow) -> Result<Document, Error> {
    Ok(Document { key: row.try_get_unchecked(0)?, revision: number(row, 1)?, body: row.try_get_unchecked(2)? })
}

/// `command_id, saga, saga_id, number, name, payload, metadata, step, attempts, not_before, parked`
pub(super) fn effect(row: &SqliteRow) -> Result<Effect, Error> {
    let metadata: &str = row.try_get_unchecked(6)?;
    Ok(Effect {
        command: id(row, 0)?.into(),
        saga: row.try_get_unchecked(1)?,
        saga_id: id(row, 2)?.into(),
        number: number(row, 3)?,
        name: row.try_get_unchecked(4)?,
        payload: row.try_get_unchecked(5)?,
        metadata: serde_json::from_str(metadata)
            .map_err(|source| Error::ColumnDecode { index: "metadata".to_owned(), source: source.into() })?,
        step: row.try_get_unchecked(7)?,
        attempts: small(row, 8)?,
        not_before: instant(row, 9)?,
        parked: row.try_get_unchecked(10)?,
    })
}

/// `saga, saga_id, name, due`
pub(super) fn timer(row: &SqliteRow) -> Result<Timer, Error> {
    Ok(Timer {
        saga: row.try_get_unchecked(0)?,
        saga_id: id(row, 1)?.into(),
        name: row.try_get_unchecked(2)?,
        due: instant(row, 3)?,
    })
}

/// `processor, sequence, position, attempts, retry_at, error, since`
pub(super) fn letter(row: &SqliteRow) -> Result<DeadLetter, Error> {
    let retry_at: Option<i64> = row.try_get_unchecked(4)?;
    Ok(DeadLetter {
        processor: row.try_get_unchecked(0)?,
        sequence: row.try_get_unchecked(1)?,
        position: position(row.try_get_unchecked(2)?),
        attempts: small(row, 3)?,
        state: retry_at.map_or(LetterState::Parked, |at| LetterState::Retrying(Timestamp::from_micros(at))),
        error: row.try_get_unchecked(5)?,
        since: instant(row, 6)?,
    })
}

/// `saga_id, revision, state, progress, ended, effects`; the associations lie elsewhere.
pub(super) fn saga(row: &SqliteRow) -> Result<SagaRow, Error> {
    Ok(SagaRow {
        id: id(row, 0)?.into(),
        revision: number(row, 1)?,
        state: row.try_get_unchecked(2)?,
        progress: row.try_get_unchecked(3)?,
        ended: row.try_get_unchecked(4)?,
        effects: number(row, 5)?,
        associations: Vec::new(),
    })
}

/// `version, position, schema, state`; a row without a version is no snapshot.
pub(super) fn snapshot(row: &SqliteRow) -> Result<Option<Snapshot>, Error> {
    let Some(version) = version(row.try_get_unchecked(0)?) else { return Ok(None) };
    let position = position(row.try_get_unchecked(1)?);
    Ok(Some(Snapshot { version, position, schema: row.try_get_unchecked(2)?, state: row.try_get_unchecked(3)? }))
}
