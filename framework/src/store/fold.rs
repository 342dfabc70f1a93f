//! Folding: every event of a read is handed to a function, in order.

use crate::message::{Decode, Parts, Pass, Payloads, Position, RecordedEvent, Tag, UpcastError, Upcasters};

use super::SharedStore;
use super::bare::{BareEvent, BarePage};
use super::criteria::Criteria;
use super::error::ReadError;
use super::journal::DecodeError;
use super::passes::{self, Passes};
use super::read::{Direction, Page, Read, Scope};
use super::reader::Reader;

/// Where a fold has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Folded {
    /// How many events there were.
    pub events: u64,
    /// The place of the last one: its version where one stream was read, else its position; 0 where there was none.
    pub place: u64,
    /// The highest position among them.
    pub newest: Position,
    /// How far the store has looked; see [`Page::scanned`].
    pub scanned: Position,
    /// The head of the store at the time of the first page.
    pub head: Position,
}

/// Why a fold ended before its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError<E: std::error::Error + 'static> {
    /// The events could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The function refused an event, or it could not be lifted for it.
    #[error("the event at {place} could not be taken")]
    Event {
        /// Where it stands: its version where one stream is read, else its position.
        place: u64,
        /// Why.
        source: E,
    },
}

/// A fold under way.
pub(super) struct Fold<'a> {
    pub(super) store: SharedStore,
    pub(super) upcasters: &'a Upcasters,
    pub(super) passes: &'a Passes,
    pub(super) payloads: &'a Payloads,
    pub(super) folded: Folded,
    /// What was asked for, by the names of today; `None` for everything.
    pub(super) wanted: Option<Criteria>,
    /// What the events so far have left for upcasters, where every event of a stream is read.
    pub(super) pass: Option<Pass>,
}

/// How far pages of bare events have led.
enum Course {
    End,
    /// The next event is one that an upcaster lifts, and upcasters see everything that is known of an event.
    Lifted(Read),
}

impl<'a> Fold<'a> {
    /// Folds bare events, and from the first one that an upcaster lifts on, whole ones.
    pub(super) async fn run<E>(
        mut self,
        read: Read,
        whole: bool,
        mut each: impl FnMut(Decode<'_>) -> Result<(), E> + Send,
    ) -> Result<Folded, FoldError<E>>
    where
        E: std::error::Error + From<UpcastError> + 'static,
    {
        let widened = |wanted: &Criteria| self.upcasters.have_former_names(wanted.names());
        self.wanted = self.wanted.take().filter(widened);
        let rest = match whole {
            true => Some(read),
            false => match self.bare(read, &mut each).await? {
                Course::End => None,
                Course::Lifted(rest) => Some(rest),
            },
        };
        if let Some(rest) = rest {
            self.whole(rest, &mut each).await?;
        }
        Ok(self.folded)
    }

    async fn bare<E: std::error::Error + 'static>(
        &mut self,
        read: Read,
        each: &mut (impl FnMut(Decode<'_>) -> Result<(), E> + Send),
    ) -> Result<Course, FoldError<E>> {
        let beyond = read.clone();
        let mut reader = Reader::<BarePage>::paged(SharedStore::clone(&self.store), read);
        while let Some(page) = reader.next_page().await? {
            self.note_head(page.head);
            for event in &page.events {
                let BareEvent { place, name, revision, payload } = event;
                if self.upcasters.lifts(name, *revision) {
                    let rest = if self.folded.events == 0 { Some(beyond) } else { beyond.beyond(self.folded.place) };
                    return Ok(rest.map_or(Course::End, Course::Lifted));
                }
                let decode = Decode::stored(name, *revision, payload, self.payloads);
                if self.wants(&decode, false) {
                    each(decode).map_err(|source| FoldError::Event { place: *place, source })?;
                }
                self.note(*place);
            }
            self.folded.newest = self.folded.newest.max(page.newest);
            self.folded.scanned = page.scanned;
        }
        Ok(Course::End)
    }

    async fn whole<E: std::error::Error + From<UpcastError> + 'static>(
        &mut self,
        read: Read,
        each: &mut (impl FnMut(Decode<'_>) -> Result<(), E> + Send),
    ) -> Result<(), FoldError<E>> {
        let (scope, tenant) = (read.scope.clone(), read.tenant.clone());
        let plain = read.criteria.is_none() && read.since.is_none() && read.direction == Direction::Forward;
        let gapless = plain && matches!(scope, Scope::Stream { .. });
        let mut reader = Reader::new(SharedStore::clone(&self.store), read);
        while let Some(Page { events, scanned, head, .. }) = reader.next_page().await? {
            self.note_head(head);
            for event in &events {
                let place = scope.place_of(&event.recorded);
                let parts = match self.lift(event, &tenant, gapless).await {
                    Ok(parts) => parts,
                    Err(DecodeError::Read(error)) => return Err(error.into()),
                    Err(DecodeError::Upcast(error)) => return Err(FoldError::Event { place, source: error.into() }),
                };
                let split = parts.is_split();
                for part in parts {
                    if self.wants(&part, split) {
                        each(part).map_err(|source| FoldError::Event { place, source })?;
                    }
                }
                self.note(place);
                self.folded.newest = self.folded.newest.max(event.recorded.position);
            }
            self.folded.scanned = scanned;
        }
        Ok(())
    }

    /// Lifts `event`. Where every event of the stream is read, its pass need not be looked for more than once.
    async fn lift<'e>(
        &mut self,
        event: &'e RecordedEvent,
        tenant: &str,
        gapless: bool,
    ) -> Result<Parts<'e>, DecodeError>
    where
        'a: 'e,
    {
        let Self { store, upcasters, passes, payloads, pass, .. } = self;
        if !passes::asks(upcasters, event) {
            return Ok(Parts::lift(event, upcasters, payloads, None)?);
        }
        if !gapless {
            return passes.lift(&**store, upcasters, payloads, tenant, event).await;
        }
        let mut before = match pass.take() {
            Some(pass) => pass,
            None => passes.before(&**store, upcasters, payloads, tenant, &event.recorded).await?,
        };
        let parts = Parts::lift(event, upcasters, payloads, Some(&mut before))?;
        *pass = Some(before);
        Ok(parts)
    }

    /// Whether `part` was asked for. An event is found by its stored name and tags; what it is today may be something else.
    fn wants(&self, part: &Decode<'_>, split: bool) -> bool {
        let Some(wanted) = &self.wanted else { return true };
        let tags: Option<Vec<Tag>> = match (split, part.lifted_payload()) {
            (true, Some(payload)) => self.upcasters.tags(part.name(), payload),
            _ => None,
        };
        match tags {
            Some(tags) => wanted.matches(part.name(), &tags),
            None => wanted
                .any_of()
                .iter()
                .any(|criterion| criterion.any_of_names().is_empty() || criterion.any_of_names().contains(part.name())),
        }
    }

    fn note(&mut self, place: u64) {
        self.folded.place = place;
        self.folded.events += 1;
    }

    fn note_head(&mut self, head: Position) {
        if self.folded.head == Position::START {
            self.folded.head = head;
        }
    }
}
