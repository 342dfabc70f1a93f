//! Reads page after page, the next ones while the last one is being used.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;

use super::bare::BarePage;
use super::error::ReadError;
use super::read::{Page, Read};
use super::{SharedStore, Store};
use crate::message::{Position, RecordedEvent};

/// Reads everything that a [`Read`] asks for, page after page. It holds two pages at most: the one in use, and the one
/// that is read ahead; of bare events a third. It may be dropped at any point.
///
/// ```
/// # use annals::store::{MemoryStore, Read, Reader};
/// # use annals::message::Position;
/// # use std::sync::Arc;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut reader = Reader::new(Arc::new(MemoryStore::new()), Read::all(Position::START));
/// while let Some(event) = reader.next().await? {
///     println!("{}", event.recorded.name);
/// }
/// # Ok::<_, annals::store::ReadError>(()) }).unwrap();
/// ```
pub struct Reader<P: Paged = Page> {
    store: SharedStore,
    state: State<P>,
    /// A page that was read and not yet taken.
    ready: Option<P>,
    /// The head when the last page was read.
    head: Position,
    page: std::vec::IntoIter<RecordedEvent>,
}

enum State<P> {
    /// The next page to ask for.
    Ask(Box<Read>),
    /// A page that is being read ahead, and the one behind it, as far as that can be guessed.
    Ahead(Ahead<P>, Option<Ahead<P>>),
    End,
}

/// A page that is being read, and what it was asked with.
struct Ahead<P> {
    read: Box<Read>,
    /// Whether it was asked for before the page in front of it was known.
    guessed: bool,
    page: JoinHandle<Result<P, ReadError>>,
}

impl<P> Drop for Ahead<P> {
    fn drop(&mut self) {
        self.page.abort();
    }
}

/// A kind of page.
pub trait Paged: Sized + Send + 'static {
    /// Reads the page that `read` asks for.
    fn read<'a>(store: &'a dyn Store, read: &'a Read) -> BoxFuture<'a, Result<Self, ReadError>>;

    /// The request for the page behind this one, which answers `read`.
    fn behind(&self, read: &Read) -> Option<Read>;

    /// The head when the page was read.
    fn head(&self) -> Position;

    /// The request for the page behind the one that answers `next`, which is not yet known; `None` where nothing can be
    /// said. This page answers `read`.
    fn guess(&self, read: &Read, next: &Read) -> Option<Read>;
}

impl Paged for Page {
    fn read<'a>(store: &'a dyn Store, read: &'a Read) -> BoxFuture<'a, Result<Self, ReadError>> {
        store.read(read)
    }

    fn behind(&self, read: &Read) -> Option<Read> {
        read.behind(self)
    }

    fn head(&self) -> Position {
        self.head
    }

    fn guess(&self, _: &Read, _: &Read) -> Option<Read> {
        None
    }
}

impl Paged for BarePage {
    fn read<'a>(store: &'a dyn Store, read: &'a Read) -> BoxFuture<'a, Result<Self, ReadError>> {
        store.read_bare(read)
    }

    fn behind(&self, read: &Read) -> Option<Read> {
        self.behind(read)
    }

    fn head(&self) -> Position {
        self.head
    }

    fn guess(&self, read: &Read, next: &Read) -> Option<Read> {
        self.guess(read, next)
    }
}

impl Reader {
    /// Reads what `read` asks for from `store`; its limit is the size of a page.
    #[must_use]
    pub fn new(store: SharedStore, read: Read) -> Self {
        Self::paged(store, read)
    }

    /// The next event; `None` behind the last one. A call that failed can be repeated, and one that was given up loses
    /// nothing.
    ///
    /// # Errors
    /// As [`EventStore::read`](super::EventStore::read).
    pub async fn next(&mut self) -> Result<Option<RecordedEvent>, ReadError> {
        loop {
            if let Some(event) = self.page.next() {
                return Ok(Some(event));
            }
            let Some(page) = self.next_page().await? else { return Ok(None) };
            self.page = page.events.into_iter();
        }
    }

    /// The events as a [`Stream`](futures_util::Stream), which ends behind the first error.
    pub fn into_stream(self) -> impl futures_util::Stream<Item = Result<RecordedEvent, ReadError>> + Send {
        futures_util::stream::try_unfold(self, |mut reader| async move {
            Ok(reader.next().await?.map(|event| (event, reader)))
        })
    }
}

impl<P: Paged> Reader<P> {
    /// Reads pages of this kind.
    pub(super) fn paged(store: SharedStore, read: Read) -> Self {
        Self {
            store,
            state: State::Ask(Box::new(read)),
            ready: None,
            head: Position::START,
            page: Vec::new().into_iter(),
        }
    }

    /// The next page; `None` behind the last one. What is left of the page in use is passed over. A call that failed can
    /// be repeated, and one that was given up loses nothing.
    ///
    /// # Errors
    /// As [`EventStore::read`](super::EventStore::read).
    pub async fn next_page(&mut self) -> Result<Option<P>, ReadError> {
        while self.ready.is_none() {
            // Until there is an answer nothing changes: a call that is given up loses no page.
            let page = match &mut self.state {
                State::End => return Ok(None),
                State::Ask(read) => P::read(&*self.store, read).await,
                State::Ahead(ahead, _) => (&mut ahead.page).await.unwrap_or_else(|error| Err(unavailable(error))),
            };
            let (read, was_guessed, guess) = match std::mem::replace(&mut self.state, State::End) {
                State::End => return Ok(None),
                State::Ask(read) => (read, false, None),
                State::Ahead(ahead, guess) => (ahead.read.clone(), ahead.guessed, guess),
            };
            match page {
                // It was read before the page in front of it, and may know less.
                Ok(page) if was_guessed && page.head() < self.head => self.state = State::Ask(read),
                Ok(page) => {
                    self.head = page.head();
                    self.go_ahead(&page, &read, guess);
                    self.ready = Some(page);
                }
                Err(error) => {
                    self.state = State::Ask(read);
                    return Err(error);
                }
            }
            if let State::Ahead(..) = self.state {
                // A task that was just spawned begins when its parent next gives way, and no other thread takes it before.
                tokio::task::yield_now().await;
            }
        }
        Ok(self.ready.take())
    }

    /// Has the pages behind `page` read, which answers `read`. The next one may have been guessed right.
    fn go_ahead(&mut self, page: &P, read: &Read, guess: Option<Ahead<P>>) {
        let Some(next) = page.behind(read) else { return };
        let next = match guess {
            Some(guess) if guess.read.after() == next.after() => guess,
            _ => self.ahead(next, false),
        };
        let guess = page.guess(read, &next.read).map(|guess| self.ahead(guess, true));
        self.state = State::Ahead(next, guess);
    }

    fn ahead(&self, read: Read, guessed: bool) -> Ahead<P> {
        let (store, wanted) = (Arc::clone(&self.store), read.clone());
        let page = tokio::spawn(async move { P::read(&*store, &wanted).await });
        Ahead { read: Box::new(read), guessed, page }
    }
}

fn unavailable(error: tokio::task::JoinError) -> ReadError {
    ReadError::Unavailable { source: error.into() }
}

impl<P: Paged> std::fmt::Debug for Reader<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("store", &self.store.address()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
