//! Pages as one row: the database packs the events of a page into one blob, and this reads it.
//!
//! Each row of an answer crosses a channel between two threads, and each of its values is copied on the way. For events
//! that costs several times as much as reading them.
//!
//! An event is packed as texts with a zero byte behind each: position, version, revision, time, length of the payload,
//! name, category, stream id and metadata, none of which can hold a zero byte; then the 16 bytes of its id and the
//! payload as it is.

use std::str::FromStr;

use sqlx::SqlitePool;
use uuid::Uuid;

use crate::message::{Name, Position, Recorded, RecordedEvent, StoredMetadata, StreamId, Timestamp, Version};
use crate::store::error::{BoxError, ReadError};
use crate::store::sql::{Found, Session, Statement, Wanted, by_rows, corrupt, from_rows};

use super::errors::{SQLITE_TOOBIG, code};

/// Names of events that are shared inside a page; more of them are kept each for itself.
const SHARED_NAMES: usize = 16;

/// Reads a page.
pub(super) async fn page(readers: &SqlitePool, wanted: Wanted) -> Result<Found, ReadError> {
    let unavailable = |source: BoxError| ReadError::Unavailable { source };
    let mut connection = readers.acquire().await.map_err(|error| unavailable(error.into()))?;
    let order = wanted.order;
    let answer = match connection.fetch(packed(wanted.clone())).await {
        // A page that fits into no blob is read row by row.
        Err(error) if error.downcast_ref().and_then(code) == Some(SQLITE_TOOBIG) => {
            return from_rows(connection.fetch(by_rows(wanted)).await.map_err(unavailable)?);
        }
        answer => answer.map_err(unavailable)?,
    };
    drop(connection);
    let Some(mut row) = answer.into_iter().next() else { return Ok(Found::default()) };
    let head = row.position("head").map_err(|error| corrupt(Position::START, error))?;
    let mut events = unpack(&row.bytes("events").map_err(|error| corrupt(Position::START, error))?)?;
    // An aggregate function takes its rows in the order of the subquery; nothing promises that.
    let position = |event: &RecordedEvent| event.recorded.position;
    match order {
        "ASC" if !events.is_sorted_by_key(position) => events.sort_by_key(position),
        "DESC" if !events.iter().rev().is_sorted_by_key(position) => {
            events.sort_by_key(|event| std::cmp::Reverse(position(event)))
        }
        _ => {}
    }
    Ok(Found { head, events })
}

/// A statement for one row with the head and the packed events.
fn packed(Wanted { text, values, .. }: Wanted) -> Statement {
    let text = format!(
        "SELECT coalesce((SELECT max(position) FROM annals_events), 0), coalesce(CAST(group_concat(concat_ws(x'00', \
         position, version, revision, recorded_at, octet_length(payload), name, category, stream_id, metadata, \
         event_id || payload), '') AS BLOB), x'') FROM ({text})"
    );
    Statement::built(text, values)
}

fn unpack(bytes: &[u8]) -> Result<Vec<RecordedEvent>, ReadError> {
    let mut rest = Packed(bytes);
    let mut events: Vec<RecordedEvent> = Vec::new();
    let mut names: Vec<Name> = Vec::new();
    while !rest.0.is_empty() {
        let last = events.last().map(|event| &event.recorded);
        let position = last.map(|last| last.position).unwrap_or_default();
        let event = rest.event(last.map(|last| &last.stream), &mut names);
        events.push(event.map_err(|error| corrupt(position.next(), error))?);
    }
    Ok(events)
}

/// What is left to read.
struct Packed<'a>(&'a [u8]);

impl<'a> Packed<'a> {
    fn event(&mut self, last: Option<&StreamId>, names: &mut Vec<Name>) -> Result<RecordedEvent, BoxError> {
        let position = Position::new(self.number()?);
        let version = Version::new(self.number()?).ok_or("a version of 0")?;
        let revision = self.number()?;
        let recorded_at = Timestamp::from_micros(self.number()?);
        let length = self.number()?;
        let name = shared(names, self.text()?);
        let stream = StreamId::like(last, self.text()?, self.text()?);
        let metadata = StoredMetadata::from_json(self.text()?.to_owned());
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
