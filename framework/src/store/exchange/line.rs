//! One line of an export: a JSON object.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::message::{EventId, Metadata, Position, StreamId, Tag, Timestamp, Version};
use crate::store::stream::{Retention, StreamInfo, StreamStatus, Visibility};

use super::StoredEvent;

/// What a line of an export holds. A field that is unknown is passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Line {
    /// An event: an object with the field `event`, its stored name.
    Event(Box<StoredEvent>),
    /// One of several events that upcasters have made of a stored one: an object with the fields `part` and `parts`. They
    /// follow one another, and share place and id.
    Part {
        /// The part, with what is stored about the whole.
        event: Box<StoredEvent>,
        /// Which part it is, from 0.
        part: u32,
        /// How many there are.
        parts: u32,
    },
    /// A stream with a status or a retention of its own: an object with the field `status`. These lines follow the events.
    Stream(StreamInfo),
}

impl Line {
    /// The line as JSON, without its end.
    ///
    /// # Errors
    /// What `serde_json` says about it.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Event(event) => serde_json::to_string(&EventLine::of(event)),
            Self::Part { event, part, parts } => {
                let line = EventLine { part: Some(*part), parts: Some(*parts), ..EventLine::of(event) };
                serde_json::to_string(&line)
            }
            Self::Stream(info) => serde_json::to_string(&StreamLine::of(info)),
        }
    }

    /// The line that this JSON tells.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(json: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(borrow)]
            status: Option<&'a RawValue>,
        }
        let wrong = |error: serde_json::Error| error.to_string();
        let kind: Kind<'_> = serde_json::from_str(json).map_err(wrong)?;
        if kind.status.is_some() {
            return serde_json::from_str::<StreamLine<'_>>(json).map_err(wrong)?.read().map(Self::Stream);
        }
        let line = serde_json::from_str::<EventLine<'_>>(json).map_err(wrong)?;
        let (part, parts) = (line.part, line.parts);
        let event = Box::new(line.read()?);
        Ok(match (part, parts) {
            (None, None) => Self::Event(event),
            (Some(part), Some(parts)) if part < parts => Self::Part { event, part, parts },
            _ => return Err("expected `part` below `parts`, or none of the two".to_owned()),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct EventLine<'a> {
    position: u64,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    tenant: Cow<'a, str>,
    category: Cow<'a, str>,
    stream: Cow<'a, str>,
    version: u64,
    event: Cow<'a, str>,
    revision: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parts: Option<u32>,
    id: EventId,
    /// For people; `recorded_at_us` counts.
    #[serde(default)]
    recorded_at: String,
    /// Microseconds since 1970.
    recorded_at_us: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    archived: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    #[serde(default)]
    metadata: Metadata,
    /// The payload where it is JSON in one line, byte for byte.
    #[serde(borrow, default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
    /// The payload where it is another text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_text: Option<Cow<'a, str>>,
    /// The payload where it is no text, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_hex: Option<String>,
}

/// A field that is there: a payload may be `null`.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> EventLine<'a> {
    fn of(event: &'a StoredEvent) -> Self {
        let text = std::str::from_utf8(&event.payload).ok();
        let json = text.filter(|text| !text.contains(['\n', '\r'])).and_then(|text| {
            let json: &RawValue = serde_json::from_str(text).ok()?;
            // A reader would not see white space around the value.
            (json.get().len() == text.len()).then_some(json)
        });
        let text = text.filter(|_| json.is_none());
        Self {
            position: event.position.get(),
            tenant: event.tenant.as_str().into(),
            category: event.stream.category().into(),
            stream: event.stream.id().into(),
            version: event.version.get(),
            event: event.name.as_str().into(),
            revision: event.revision,
            part: None,
            parts: None,
            id: event.id,
            recorded_at: event.recorded_at.to_string(),
            recorded_at_us: event.recorded_at.as_micros(),
            archived: event.visibility == Visibility::Archived,
            tags: event.tags.clone(),
            metadata: event.metadata.clone(),
            payload: json,
            payload_text: text.map(Into::into),
            payload_hex: (json.is_none() && text.is_none()).then(|| hexadecimal(&event.payload)),
        }
    }

    fn read(self) -> Result<StoredEvent, String> {
        let payload = match (self.payload, self.payload_text, self.payload_hex) {
            (Some(json), None, None) => json.get().as_bytes().to_vec(),
            (None, Some(text), None) => text.into_owned().into_bytes(),
            (None, None, Some(digits)) => bytes(&digits).ok_or("`payload_hex` holds other than pairs of digits")?,
            _ => return Err("expected one of `payload`, `payload_text` and `payload_hex`".to_owned()),
        };
        Ok(StoredEvent {
            tenant: self.tenant.into_owned(),
            position: Position::new(self.position),
            stream: StreamId::new(self.category.into_owned(), self.stream),
            version: Version::new(self.version).ok_or("versions start at 1")?,
            id: self.id,
            name: self.event.into_owned().into(),
            revision: self.revision,
            payload,
            metadata: self.metadata,
            tags: self.tags,
            recorded_at: Timestamp::from_micros(self.recorded_at_us),
            visibility: if self.archived { Visibility::Archived } else { Visibility::Visible },
        })
    }
}

#[derive(Serialize, Deserialize)]
struct StreamLine<'a> {
    #[serde(default, skip_serializing_if = "str::is_empty")]
    tenant: Cow<'a, str>,
    category: Cow<'a, str>,
    stream: Cow<'a, str>,
    status: Status,
    newest: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_age_us: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_count: Option<u64>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Status {
    Open,
    Archived,
    Deleted,
    Tombstoned,
}

impl<'a> StreamLine<'a> {
    fn of(info: &'a StreamInfo) -> Self {
        Self {
            tenant: info.tenant.as_str().into(),
            category: info.stream.category().into(),
            stream: info.stream.id().into(),
            status: match info.status {
                StreamStatus::Open => Status::Open,
                StreamStatus::Archived => Status::Archived,
                StreamStatus::Deleted => Status::Deleted,
                StreamStatus::Tombstoned => Status::Tombstoned,
            },
            newest: info.newest.map_or(0, Version::get),
            max_age_us: info.retention.max_age.map(|age| u64::try_from(age.as_micros()).unwrap_or(u64::MAX)),
            max_count: info.retention.max_count,
        }
    }

    fn read(self) -> Result<StreamInfo, String> {
        Ok(StreamInfo {
            tenant: self.tenant.into_owned(),
            stream: StreamId::new(self.category.into_owned(), self.stream),
            status: match self.status {
                Status::Open => StreamStatus::Open,
                Status::Archived => StreamStatus::Archived,
                Status::Deleted => StreamStatus::Deleted,
                Status::Tombstoned => StreamStatus::Tombstoned,
            },
            newest: Some(Version::new(self.newest).ok_or("versions start at 1")?),
            first: None,
            retention: Retention { max_age: self.max_age_us.map(Duration::from_micros), max_count: self.max_count },
        })
    }
}

/// Two digits for each byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        digits.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(payload: &[u8]) -> StoredEvent {
        StoredEvent {
            tenant: "acme".to_owned(),
            position: Position::new(7),
            stream: StreamId::new("wallet", "w \"1\""),
            version: Version::FIRST,
            id: EventId::new(),
            name: "wallet.credited".into(),
            revision: 2,
            payload: payload.to_vec(),
            metadata: Metadata::new().with("user", "ada\nlovelace"),
            tags: vec![Tag::new("colour", "red:blue")],
            recorded_at: Timestamp::from_micros(-1),
            visibility: Visibility::Archived,
        }
    }

    #[test]
    fn every_payload_comes_back_byte_for_byte_from_one_line() {
        let payloads: [&[u8]; 10] = [
            b"null",
            b"{\"amount\":5}",
            b"{ \"a\" : 1.0 }",
            b" 1 ",
            b"[1,\n2]",
            b"",
            b"\"\\u0000\"",
            b"no json",
            &[0, 159, 146, 150],
            "\u{2028} \u{1f600}".as_bytes(),
        ];
        for payload in payloads {
            let line = Line::Event(Box::new(event(payload)));
            let json = line.to_json().unwrap();
            assert!(!json.contains('\n'), "{json}");
            assert_eq!(Line::from_json(&json).unwrap(), line, "{json}");
        }
    }

    #[test]
    fn a_json_payload_is_readable_in_its_line() {
        let json = Line::Event(Box::new(event(b"{\"amount\":5}"))).to_json().unwrap();
        assert!(json.contains(r#""payload":{"amount":5}"#), "{json}");
    }

    #[test]
    fn a_part_comes_back() {
        let line = Line::Part { event: Box::new(event(b"1")), part: 1, parts: 2 };
        let json = line.to_json().unwrap();
        assert_eq!(Line::from_json(&json).unwrap(), line);
        let error = Line::from_json(&json.replace("\"parts\":2", "\"parts\":1")).unwrap_err();
        assert_eq!(error, "expected `part` below `parts`, or none of the two");
    }

    #[test]
    fn a_stream_comes_back() {
        let retention = Retention { max_age: Some(Duration::from_secs(5)), max_count: Some(3) };
        let (tenant, stream) = (String::new(), StreamId::new("wallet", "w-1"));
        let status = StreamStatus::Tombstoned;
        let line =
            Line::Stream(StreamInfo { tenant, stream, status, newest: Some(Version::FIRST), first: None, retention });
        assert_eq!(Line::from_json(&line.to_json().unwrap()).unwrap(), line);
    }

    #[test]
    fn a_wrong_line_says_what_is_wrong() {
        let json = Line::Event(Box::new(event(b"1"))).to_json().unwrap();
        for (wrong, says) in [
            ("{".to_owned(), "EOF"),
            ("{}".to_owned(), "missing field `position`"),
            (json.replace("\"payload\":1", "\"payload_hex\":\"0\""), "pairs of digits"),
            (json.replace(",\"payload\":1", ""), "expected one of"),
            (json.replace("\"version\":1", "\"version\":0"), "versions start at 1"),
        ] {
            let error = Line::from_json(&wrong).unwrap_err();
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }
}
