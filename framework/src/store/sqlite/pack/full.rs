//! Whole events, packed into one blob.
//!
//! An event is packed as texts with a zero byte behind each: position, version, revision, time, length of the payload,
//! name, category, stream id and metadata, none of which can hold a zero byte; then the 16 bytes of its id and the
//! payload as it is.

use std::str::FromStr;

use uuid::Uuid;

use crate::message::{Position, Recorded, RecordedEvent, StoredMetadata, StreamId, Timestamp, Version};
use crate::store::error::{BoxError, ReadError};
use crate::store::read::{Content, Read};
use crate::store::sql::{Names, Row, corrupt};

use super::Packed;

impl Packed for RecordedEvent {
    fn columns(e: &str, read: &Read) -> String {
        let (length, payload) = match read.content {
            Content::WithoutPayload => ("0".to_owned(), String::new()),
            Content::Full => (format!("octet_length({e}payload)"), format!(" || {e}payload")),
        };
        format!(
            "CAST(group_concat(concat_ws(x'00', {e}position, {e}version, {e}revision, {e}recorded_at, {length}, {e}name, \
             {e}category, {e}stream_id, {e}metadata, {e}event_id{payload}), '') AS BLOB)"
        )
    }

    fn unpack(row: &mut Row) -> Result<(Vec<Self>, Position), ReadError> {
        let packed = row.optional_bytes("events").map_err(|error| corrupt(Position::START, error))?;
        let events = unpack(&packed.unwrap_or_default())?;
        let newest = events.iter().map(|event| event.recorded.position).max();
        Ok((events, newest.unwrap_or_default()))
    }

    fn place(&self) -> u64 {
        self.recorded.position.get()
    }
}

fn unpack(bytes: &[u8]) -> Result<Vec<RecordedEvent>, ReadError> {
    let mut rest = Rest(bytes);
    let mut events: Vec<RecordedEvent> = Vec::new();
    let mut names = Names::default();
    while !rest.0.is_empty() {
        let last = events.last().map(|event| &event.recorded);
        let position = last.map(|last| last.position).unwrap_or_default();
        let event = event(&mut rest, last, &mut names);
        events.push(event.map_err(|error| corrupt(position.next(), error))?);
    }
    Ok(events)
}

fn event(rest: &mut Rest<'_>, last: Option<&Recorded>, names: &mut Names) -> Result<RecordedEvent, BoxError> {
    let position = Position::new(rest.number()?);
    let version = Version::new(rest.number()?).ok_or("a version of 0")?;
    let revision = rest.number()?;
    let recorded_at = Timestamp::from_micros(rest.number()?);
    let length = rest.number()?;
    let name = names.shared(rest.text()?.as_bytes())?;
    let stream = StreamId::like(last.map(|last| &last.stream), rest.text()?, rest.text()?);
    let metadata = StoredMetadata::like(last.map(|last| &last.metadata), rest.text()?);
    let id = Uuid::from_slice(rest.take(16)?)?.into();
    let payload = rest.take(length)?.to_vec();
    let recorded = Recorded { position, stream, version, id, name, revision, recorded_at, metadata };
    Ok(RecordedEvent { recorded, payload })
}

/// What is left to read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
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
