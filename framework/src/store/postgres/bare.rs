//! Pages of bare events as one row, taken straight from the bytes of the answer. A row for each event costs more than all
//! that the server and the program do besides.
//!
//! There are two ways. The *lean* one is for a stream whose next events have versions without gaps, are all of the first
//! revision, and have no separator in them: texts and payloads joined with one between them. What comes shows whether that
//! was so. The *listed* one takes any page, and costs a quarter more: arrays of places, revisions and lengths as well.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use memchr::memchr_iter;
use sqlx::postgres::PgRow;

use crate::message::Position;
use crate::store::BareEvent;
use crate::store::error::{BoxError, ReadError};
use crate::store::read::{Read, Scope};
use crate::store::sql::select;
use crate::store::sql::{Found, Names, Statement, Wanted, corrupt};

use super::dialect::DIALECT;
use super::errors::is_too_large;
use super::page::{field, number, present};
use super::readers::Readers;

/// Between two names.
const NAME_ENDS: u8 = 0x01;

/// Between two payloads: no text in JSON holds this character.
const PAYLOAD_ENDS: u8 = 0x1e;

/// The lowest bit of a revision in a number that also holds the length of the payload.
const REVISION_BIT: u32 = 31;

/// Reads pages of bare events.
#[derive(Debug, Default)]
pub(super) struct BarePages {
    /// Whether payloads were met that hold the separator: those of a codec that is no text will always.
    never_lean: AtomicBool,
}

/// What a row tells.
enum Told {
    Events(Vec<BareEvent>),
    /// The events are none for the lean way.
    NotLean,
    /// A name holds the separator.
    NoPage,
}

impl BarePages {
    /// The page that the forward request `read` asks for; `None` where it cannot be one row.
    pub(super) async fn page(&self, readers: &Readers, read: &Read) -> Result<Option<Found<BareEvent>>, ReadError> {
        let wanted = select::page(&DIALECT, read).map_err(|source| ReadError::Unavailable { source })?;
        let Some(wanted) = wanted else { return Ok(None) };
        let of_stream = matches!(read.scope, Scope::Stream { .. });
        let plain = read.criteria.is_none() && read.since.is_none() && read.until.is_none();
        if of_stream && plain && !self.never_lean.load(Ordering::Relaxed) {
            let Some(row) = one_row(readers, lean(&wanted)).await? else { return Ok(None) };
            match self.lean_events(&row, read.after()).map_err(unreadable)? {
                Told::Events(events) => return found(&row, events).map(Some),
                Told::NoPage => return Ok(None),
                Told::NotLean => {}
            }
        }
        let Some(row) = one_row(readers, listed(wanted, of_stream)).await? else { return Ok(None) };
        match listed_events(&row).map_err(unreadable)? {
            Told::Events(events) => found(&row, events).map(Some),
            Told::NotLean | Told::NoPage => Ok(None),
        }
    }

    fn lean_events(&self, row: &PgRow, after: u64) -> Result<Told, BoxError> {
        let Some(last) = field(row, 2) else { return Ok(Told::Events(Vec::new())) };
        let (last, count) = (u64::from_be_bytes(last.try_into()?), number(row, 3)?.unsigned_abs());
        let (all_of_first_revision, names) = (present(row, 4)? == [1], present(row, 5)?);
        if last.checked_sub(after) != Some(count) || !all_of_first_revision || parts(NAME_ENDS, names) != count {
            return Ok(Told::NotLean);
        }
        let payloads = Bytes::copy_from_slice(present(row, 6)?);
        if parts(PAYLOAD_ENDS, &payloads) != count {
            self.never_lean.store(true, Ordering::Relaxed);
            return Ok(Told::NotLean);
        }
        let ends = memchr_iter(PAYLOAD_ENDS, &payloads).chain([payloads.len()]);
        let mut shared = Names::default();
        let mut events = Vec::with_capacity(usize::try_from(count)?);
        let mut start = 0;
        for ((name, end), place) in names.split(|byte| *byte == NAME_ENDS).zip(ends).zip(after + 1..) {
            events.push(BareEvent::new(place, shared.shared(name)?, 1, payloads.slice(start..end)));
            start = end + 1;
        }
        Ok(Told::Events(events))
    }
}

/// How many parts the separator `end` makes of `joined`.
fn parts(end: u8, joined: &[u8]) -> u64 {
    memchr_iter(end, joined).count() as u64 + 1
}

fn lean(Wanted { text, values, .. }: &Wanted) -> Statement {
    let text = format!(
        "SELECT (SELECT coalesce(max(position), 0) FROM annals_events), max(position), max(version), \
         count(*), bool_and(revision = 1), string_agg(name, E'\\x01'), string_agg(payload, '\\x1e'::bytea) FROM ({text}) c"
    );
    Statement::built(text, values.clone())
}

fn listed(Wanted { text, values, .. }: Wanted, of_stream: bool) -> Statement {
    let place = if of_stream { "version" } else { "position" };
    let text = format!(
        "SELECT (SELECT coalesce(max(position), 0) FROM annals_events), max(position), array_agg({place}), \
         array_agg(revision << {REVISION_BIT} | octet_length(payload)), string_agg(name, E'\\x01'), \
         string_agg(payload, ''::bytea) FROM ({text}) c"
    );
    Statement::built(text, values)
}

/// The one row that `statement` gives; `None` for a page that fits into no value.
async fn one_row(readers: &Readers, statement: Statement) -> Result<Option<PgRow>, ReadError> {
    match readers.fetch(statement).await {
        Ok(rows) => Ok(rows.into_iter().next()),
        Err(error) if error.downcast_ref().is_some_and(is_too_large) => Ok(None),
        Err(source) => Err(ReadError::Unavailable { source }),
    }
}

/// Both ways begin with the head and the highest position among the events.
fn found(row: &PgRow, events: Vec<BareEvent>) -> Result<Found<BareEvent>, ReadError> {
    let position = |column| {
        let number = if field(row, column).is_some() { number(row, column) } else { Ok(0) };
        number.map(|number| Position::new(number.unsigned_abs())).map_err(unreadable)
    };
    Ok(Found { head: position(0)?, newest: position(1)?, events })
}

fn listed_events(row: &PgRow) -> Result<Told, BoxError> {
    let Some(places) = field(row, 2) else { return Ok(Told::Events(Vec::new())) };
    let (places, sizes) = (Numbers::of(places)?, Numbers::of(present(row, 3)?)?);
    let names: Vec<&[u8]> = present(row, 4)?.split(|byte| *byte == NAME_ENDS).collect();
    if names.len() != places.0.len() {
        return Ok(Told::NoPage);
    }
    let mut payloads = Bytes::copy_from_slice(present(row, 5)?);
    let mut shared = Names::default();
    let mut events = Vec::with_capacity(names.len());
    for ((place, size), name) in places.zip(sizes).zip(names) {
        let (revision, length) = (size >> REVISION_BIT, size & ((1 << REVISION_BIT) - 1));
        let length = usize::try_from(length)?;
        if length > payloads.len() {
            return Err("fewer bytes than were announced".into());
        }
        let name = shared.shared(name)?;
        events.push(BareEvent::new(place, name, u32::try_from(revision)?, payloads.split_to(length)));
    }
    // The parts of a union come one after the other, each in its own order; nothing promises that.
    if !events.is_sorted_by_key(|event| event.place) {
        events.sort_by_key(|event| event.place);
    }
    Ok(Told::Events(events))
}

fn unreadable(error: BoxError) -> ReadError {
    corrupt(Position::START, error)
}

/// What is left of an array of numbers in binary form: five numbers about the array, and for each element its length and
/// itself.
///
/// Source: `array_send` in PostgreSQL's `src/backend/utils/adt/arrayfuncs.c`.
struct Numbers<'a>(std::slice::ChunksExact<'a, u8>);

impl<'a> Numbers<'a> {
    fn of(array: &'a [u8]) -> Result<Self, BoxError> {
        let elements = array.get(20..).filter(|elements| elements.len() % 12 == 0);
        Ok(Self(elements.ok_or("an array of another form")?.chunks_exact(12)))
    }
}

impl Iterator for Numbers<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let number = self.0.next()?.last_chunk()?;
        Some(u64::from_be_bytes(*number))
    }
}
