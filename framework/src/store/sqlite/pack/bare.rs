//! Bare events, packed as lists: a value for each column of all events together. That is cheaper than a value for each
//! event, since the database writes each number and text only once.

use bytes::Bytes;

use crate::message::Position;
use crate::store::BareEvent;
use crate::store::error::{BoxError, ReadError};
use crate::store::read::{Read, Scope};
use crate::store::sql::{Names, Row, corrupt};

use super::Packed;

impl Packed for BareEvent {
    /// Places and lengths as numbers with commas between them; names with zero bytes between them, which none can hold;
    /// and the payloads one behind the other. Where a revision is not 1, it stands before the name, between zero bytes: most
    /// are, and a list of them would take as long as the payloads.
    fn columns(e: &str, read: &Read) -> String {
        let place = match read.scope {
            Scope::Stream { .. } => "version",
            Scope::All { .. } | Scope::Category { .. } => "position",
        };
        format!(
            "max({e}position), group_concat({e}{place}), group_concat(octet_length({e}payload)), \
             CAST(group_concat(CASE WHEN {e}revision = 1 AND {e}name <> '' THEN {e}name ELSE x'00' || {e}revision || x'00' || {e}name END, \
             x'00') AS BLOB), \
             CAST(group_concat({e}payload, '') AS BLOB)"
        )
    }

    fn unpack(row: &mut Row) -> Result<(Vec<Self>, Position), ReadError> {
        let unknown = |error: BoxError| corrupt(Position::START, error);
        let newest = super::position(row, "newest")?;
        Ok((lists(row).and_then(|lists| lists.events()).map_err(unknown)?, newest))
    }

    fn place(&self) -> u64 {
        self.place
    }
}

/// A list for each column.
struct Lists {
    places: Vec<u8>,
    lengths: Vec<u8>,
    names: Vec<u8>,
    payloads: Bytes,
}

fn lists(row: &mut Row) -> Result<Lists, BoxError> {
    let mut list = |column| row.optional_bytes(column).map(Option::unwrap_or_default);
    Ok(Lists {
        places: list("places")?,
        lengths: list("lengths")?,
        names: list("names")?,
        payloads: list("payloads")?.into(),
    })
}

impl Lists {
    fn events(&self) -> Result<Vec<BareEvent>, BoxError> {
        if self.lengths.is_empty() {
            return Ok(Vec::new());
        }
        let mut names = Names::default();
        let mut texts = self.names.split(|byte| *byte == 0);
        let (mut places, lengths) = (Numbers(&self.places), Numbers(&self.lengths));
        let mut events = Vec::new();
        let mut at = 0_usize;
        for length in lengths {
            let end = at.checked_add(usize::try_from(length?)?).filter(|end| *end <= self.payloads.len());
            let end = end.ok_or("fewer bytes than were announced")?;
            let place = places.next().ok_or("an event without a place")??;
            let mut text = || texts.next().ok_or("an event without a name");
            let (revision, name) = match text()? {
                [] => (std::str::from_utf8(text()?)?.parse()?, text()?),
                name => (1, name),
            };
            events.push(BareEvent::new(place, names.shared(name)?, revision, self.payloads.slice(at..end)));
            at = end;
        }
        if at != self.payloads.len() || texts.next().is_some() || places.next().is_some() {
            return Err("lists of different lengths".into());
        }
        Ok(events)
    }
}

/// What is left of a list of numbers.
struct Numbers<'a>(&'a [u8]);

impl Iterator for Numbers<'_> {
    type Item = Result<u64, BoxError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let mut number = Some(0_u64);
        let mut end = 0;
        for byte in self.0.iter().take_while(|byte| **byte != b',') {
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
            number = number.and_then(|number| number.checked_mul(10)?.checked_add(digit?));
            end += 1;
        }
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        Some(number.ok_or_else(|| "a text instead of a number".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::Lists;

    fn lists(lengths: &str, payloads: &'static [u8]) -> Lists {
        Lists {
            places: b"8,9".to_vec(),
            lengths: lengths.into(),
            names: b"one\0\x002\0two".to_vec(),
            payloads: payloads.into(),
        }
    }

    #[test]
    fn what_was_packed_is_read() {
        let events = lists("3,0", b"a\0b").events().unwrap();
        let read: Vec<_> =
            events.iter().map(|event| (event.place, &*event.name, event.revision, &*event.payload)).collect();
        assert_eq!(read, [(8, "one", 1, b"a\0b".as_slice()), (9, "two", 2, b"")]);
    }

    #[test]
    fn lists_that_do_not_fit_together_are_reported() {
        for (lengths, payloads) in [("3", "abc"), ("3,1,1", "abcde"), ("3,1", "abc"), ("1,1", "abc"), ("3,x", "abc")] {
            assert!(lists(lengths, payloads.as_bytes()).events().is_err(), "{lengths} {payloads}");
        }
        let places = Lists { places: b"8,9,10".to_vec(), ..lists("1,1", b"ab") };
        assert!(places.events().is_err());
    }
}
