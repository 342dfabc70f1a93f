//! The stream of a catch-up subscription.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::{self, BoxStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::message::{Position, RecordedEvent, StreamId, Timestamp, Version};
use crate::store::{Journal, Page, Read, Reader};

use super::error::CatchUpError;
use super::event::SubscribedEvent;
use super::filter::Filter;

/// What a catch-up subscription tells.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Item {
    /// The next event that matches.
    Event(SubscribedEvent),
    /// No further event up to this position matches: a consumer that keeps its place can keep this one.
    Checkpoint(Position),
    /// All that was in the log was given, up to this position, and what comes now is new. It is told again when the
    /// consumer has fallen behind by more than a page and has caught up.
    CaughtUp(Position),
}

/// The stream of a catch-up subscription: each event once, in the order of the log.
#[must_use = "a stream does nothing unless it is polled"]
pub struct Following(BoxStream<'static, Result<Item, CatchUpError>>);

/// What is read.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) filter: Arc<Filter>,
    pub(super) stream: Option<StreamId>,
    pub(super) since: Option<Timestamp>,
}

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) page: usize,
    pub(super) poll: Duration,
    pub(super) notices: Duration,
}

pub(super) struct Follow {
    journal: Journal,
    stop: CancellationToken,
    appended: watch::Receiver<Position>,
    source: Source,
    settings: Settings,
    /// Where it ends; known once it was first read.
    end: End,
    /// Everything up to here was given.
    place: Place,
    reader: Option<Reader>,
    items: VecDeque<Event>,
    told: VecDeque<Item>,
    phase: Phase,
    noticed: Option<(Position, Instant)>,
    failed: bool,
}

type Event = Arc<RecordedEvent>;

#[derive(Debug, Clone, Copy)]
enum End {
    Never,
    /// At the head, whatever it is.
    Head,
    At(Position),
}

/// How far it has come: in the log, and in the stream if it is one stream that is read.
#[derive(Debug, Clone, Copy)]
struct Place {
    position: Position,
    version: Option<Version>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Behind,
    Live,
    Over,
}

impl Following {
    pub(super) fn new(follow: Follow) -> Self {
        Self(Box::pin(stream::unfold(follow, |mut follow| async {
            let item = follow.next().await?;
            Some((item, follow))
        })))
    }
}

impl Stream for Following {
    type Item = Result<Item, CatchUpError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").finish_non_exhaustive()
    }
}

impl Follow {
    pub(super) fn new(
        journal: Journal,
        stop: CancellationToken,
        source: Source,
        after: Position,
        settings: Settings,
        ends: bool,
    ) -> Self {
        Self {
            appended: journal.store().appended(),
            journal,
            stop,
            source,
            settings,
            end: if ends { End::Head } else { End::Never },
            place: Place { position: after, version: None },
            reader: None,
            items: VecDeque::new(),
            told: VecDeque::new(),
            phase: Phase::Behind,
            noticed: None,
            failed: false,
        }
    }

    /// The next item; `None` behind the last one.
    async fn next(&mut self) -> Option<Result<Item, CatchUpError>> {
        let stop = self.stop.clone();
        stop.run_until_cancelled(async {
            loop {
                if let Some(event) = self.items.pop_front() {
                    let (journal, filter) = (self.journal.clone(), Arc::clone(&self.source.filter));
                    return Some(Ok(Item::Event(SubscribedEvent::new(event, journal, filter))));
                }
                if let Some(item) = self.told.pop_front() {
                    return Some(Ok(item));
                }
                if self.phase == Phase::Over {
                    return None;
                }
                if let Err(error) = self.advance().await {
                    self.failed = true;
                    return Some(Err(error));
                }
            }
        })
        .await
        .flatten()
    }

    /// Reads the next page, or waits for one.
    async fn advance(&mut self) -> Result<(), CatchUpError> {
        if std::mem::take(&mut self.failed) {
            sleep(self.settings.poll).await;
        }
        if let End::Head = self.end {
            self.end = End::At(self.journal.store().head().await?);
        }
        if self.reader.is_none() {
            self.appended.borrow_and_update();
            self.reader = Some(self.journal.reader(self.read()));
        }
        let Some(reader) = &mut self.reader else { return Ok(()) };
        match reader.next_page().await? {
            Some(page) => self.take(page),
            None => self.at_head().await,
        }
        Ok(())
    }

    fn read(&self) -> Read {
        let Place { position, version } = self.place;
        let mut read = self.source.filter.read(position);
        if let Some(stream) = &self.source.stream {
            let of_stream = Read::stream(stream.clone(), version);
            read = match read.criteria.take() {
                Some(criteria) => of_stream.only(criteria),
                None => of_stream,
            };
        }
        if let End::At(head) = self.end {
            read = read.up_to(head.max(position));
        }
        let read = read.limit(self.settings.page);
        match self.source.since {
            Some(instant) => read.since(instant),
            None => read,
        }
    }

    fn take(&mut self, page: Page) {
        let (begin, end) = (self.place.position, self.end);
        if let Some(last) = page.events.last() {
            self.place.version = Some(last.recorded.version);
        }
        // In the scope of one stream, a page knows nothing of positions.
        let inside = |event: &RecordedEvent| {
            let position = event.recorded.position;
            position > begin && !matches!(end, End::At(head) if position > head)
        };
        self.items.extend(page.events.into_iter().filter(inside).map(Arc::new));
        let scanned = match end {
            End::At(head) => page.scanned.min(head),
            _ => page.scanned,
        };
        let last = self.items.back().map_or(begin, |event| event.recorded.position);
        self.place.position = begin.max(last).max(scanned);
        if page.more {
            self.phase = Phase::Behind;
        }
    }

    /// The log was read to its end.
    async fn at_head(&mut self) {
        self.reader = None;
        let position = self.place.position;
        if let End::At(_) = self.end {
            self.told.push_back(Item::CaughtUp(position));
            self.phase = Phase::Over;
            return;
        }
        if self.phase == Phase::Behind {
            self.phase = Phase::Live;
            self.noticed = Some((position, Instant::now()));
            self.told.push_back(Item::CaughtUp(position));
            return;
        }
        let due = self.noticed.is_none_or(|(_, at)| at.elapsed() >= self.settings.notices);
        if due && self.noticed.is_none_or(|(told, _)| told < position) {
            self.noticed = Some((position, Instant::now()));
            self.told.push_back(Item::Checkpoint(position));
            return;
        }
        tokio::select! {
            heard = self.appended.changed() => if heard.is_err() { sleep(self.settings.poll).await },
            () = sleep(self.settings.poll) => {}
        }
    }
}
