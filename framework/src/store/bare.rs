//! Events without what came with them: as much as a state is built from.

use bytes::Bytes;

use crate::message::{Name, Position, RecordedEvent};

use super::read::{Direction, Page, Read, Scope};

/// An event without its id, its time and its metadata: what a state is built from. It takes a fraction of the time that a
/// [`RecordedEvent`] takes to read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BareEvent {
    /// Where the event stands in what is read: its version where one stream is read, else its position.
    pub place: u64,
    /// The stored name, as it was written.
    pub name: Name,
    /// The revision of the payload, as it was written.
    pub revision: u32,
    /// The payload in the store's codec. It may keep the memory of its whole page.
    pub payload: Bytes,
}

impl BareEvent {
    /// An event at `place`.
    #[must_use]
    pub fn new(place: u64, name: Name, revision: u32, payload: impl Into<Bytes>) -> Self {
        Self { place, name, revision, payload: payload.into() }
    }
}

/// One page of bare events.
#[derive(Debug, Clone)]
pub struct BarePage {
    /// The events, in the order asked for.
    pub events: Vec<BareEvent>,
    /// The highest position among the events; the start where there are none.
    pub newest: Position,
    /// As [`Page::scanned`].
    pub scanned: Position,
    /// As [`Page::head`].
    pub head: Position,
    /// As [`Page::more`].
    pub more: bool,
}

/// Bytes that a page holds, about, where a reader sets its size.
const PAGE_BYTES: usize = 1 << 20;

/// Events of a page at most where a reader sets its size.
const PAGE_EVENTS: usize = 4096;

impl BarePage {
    /// `page`, which answers `read`, without what bare events lack.
    #[must_use]
    pub fn of(read: &Read, page: Page) -> Self {
        let Page { events, scanned, head, more } = page;
        let newest = events.iter().map(|event| event.recorded.position).max().unwrap_or_default();
        let bare = |event: RecordedEvent| {
            let place = read.scope.place_of(&event.recorded);
            BareEvent::new(place, event.recorded.name, event.recorded.revision, event.payload)
        };
        Self { events: events.into_iter().map(bare).collect(), newest, scanned, head, more }
    }

    /// The page that answers the forward request `read` with `events`, the highest of whose positions is `newest`.
    /// `head` is as for [`Page::answer`].
    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
    pub(crate) fn answer(read: &Read, events: Vec<BareEvent>, newest: Position, head: Position) -> Self {
        let more = events.len() >= read.limit;
        let head = head.max(newest);
        let scanned = match events.last() {
            Some(_) if more => newest,
            None if more => read.scope.after(),
            _ => read.scope.up_to().map_or(head, |up_to| up_to.min(head)),
        };
        Self { events, newest, scanned, head, more }
    }

    /// The request for the page behind this one, which answers `read`; `None` behind the last page. Its limit is such
    /// that the page holds about a MiB, and 4096 events at most.
    pub(super) fn behind(&self, read: &Read) -> Option<Read> {
        let last = self.events.last().filter(|_| self.more)?;
        Some(read.beyond(last.place)?.limit(self.next_limit(read.limit)))
    }

    /// The request for the page behind the one that answers `next`, which follows this one. Places are given out without
    /// gaps, so that where this page has none, the next one will hardly have any.
    pub(super) fn guess(&self, read: &Read, next: &Read) -> Option<Read> {
        let last = self.events.last()?.place;
        let gapless = last.checked_sub(read.after())? == self.events.len() as u64;
        let plain = read.criteria.is_none() && read.since.is_none() && read.until.is_none();
        if !gapless || !plain || read.direction == Direction::Backward {
            return None;
        }
        next.beyond(next.after().checked_add(next.limit as u64)?)
    }

    /// Grows by eight times at most, so that a run of small events does not have a run of large ones fill the memory.
    fn next_limit(&self, limit: usize) -> usize {
        let bytes: usize = self.events.iter().map(|event| event.payload.len() + size_of::<BareEvent>()).sum();
        let fitting = (PAGE_BYTES * self.events.len()).checked_div(bytes).unwrap_or(limit);
        fitting.clamp(1, PAGE_EVENTS).min(limit.saturating_mul(8))
    }
}

impl Scope {
    /// Where `recorded` stands in this scope; see [`BareEvent::place`].
    pub(crate) fn place_of(&self, recorded: &crate::message::Recorded) -> u64 {
        match self {
            Self::Stream { .. } => recorded.version.get(),
            Self::All { .. } | Self::Category { .. } => recorded.position.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BareEvent, BarePage};
    use crate::message::Position;
    use crate::store::Read;

    /// The limit of the page behind one of `events` events with payloads of `bytes` bytes, which was full.
    fn next_limit(events: usize, bytes: usize) -> usize {
        let read = Read::all(Position::START).limit(events);
        let event = |place| BareEvent::new(place, "a".into(), 1, vec![0; bytes]);
        let events = (1..).take(events).map(event).collect();
        let page =
            BarePage { events, newest: Position::START, scanned: Position::START, head: Position::START, more: true };
        page.behind(&read).map_or(0, |next| next.limit)
    }

    #[test]
    fn the_next_page_holds_about_a_mebibyte() {
        assert_eq!(next_limit(512, 100), 512 * 8, "as many as a page may hold");
        assert!((900..1_100).contains(&next_limit(512, 1_000)), "{}", next_limit(512, 1_000));
        assert_eq!(next_limit(512, 1 << 20), 1);
        assert_eq!(next_limit(1, 1 << 22), 1, "an event is always read");
        assert_eq!(next_limit(10, 0), 80, "a page grows step by step");
    }

    #[test]
    fn the_page_behind_the_next_one_is_guessed_where_there_are_no_gaps() {
        let read = Read::all(Position::START).limit(2);
        let page = |places: [u64; 2]| {
            let events = places.map(|place| BareEvent::new(place, "a".into(), 1, Vec::new())).to_vec();
            BarePage { events, newest: Position::START, scanned: Position::START, head: Position::START, more: true }
        };
        let guess = |places: [u64; 2], read: &Read| {
            let next = page(places).behind(read)?;
            page(places).guess(read, &next).map(|guess| guess.after())
        };
        assert_eq!(guess([1, 2], &read), Some(2 + 16));
        assert_eq!(guess([1, 3], &read), None, "a place is missing");
        let named = read.only(crate::store::Criterion::names(["a"]));
        assert_eq!(guess([1, 2], &named), None, "others may lie between");
    }

    #[test]
    fn there_is_no_page_behind_the_last_one() {
        let read = Read::all(Position::START);
        let page = BarePage {
            events: vec![BareEvent::new(1, "a".into(), 1, Vec::new())],
            newest: Position::new(1),
            scanned: Position::new(1),
            head: Position::new(1),
            more: false,
        };
        assert!(page.behind(&read).is_none());
    }
}
