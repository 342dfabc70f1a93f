//! Reads page after page, the next one while the last one is being used.

use tokio::task::JoinHandle;

use super::SharedStore;
use super::error::ReadError;
use super::read::{Page, Read};
use crate::message::RecordedEvent;

/// Reads everything that a [`Read`] asks for, page after page. It holds two pages at most: the one in use, and the one
/// that is read ahead. It may be dropped at any point.
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
pub struct Reader {
    store: SharedStore,
    state: State,
    page: std::vec::IntoIter<RecordedEvent>,
}

enum State {
    /// The next page to ask for.
    Ask(Box<Read>),
    /// A page that is being read ahead, and what it was asked with.
    Ahead(Box<Read>, JoinHandle<Result<Page, ReadError>>),
    End,
}

impl Reader {
    /// Reads what `read` asks for from `store`; its limit is the size of a page.
    #[must_use]
    pub fn new(store: SharedStore, read: Read) -> Self {
        Self { store, state: State::Ask(Box::new(read)), page: Vec::new().into_iter() }
    }

    /// The next event; `None` behind the last one. A call that failed can be repeated.
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

    /// The next page; `None` behind the last one. What is left of the page in use is passed over. A call that failed can
    /// be repeated.
    ///
    /// # Errors
    /// As [`EventStore::read`](super::EventStore::read).
    pub async fn next_page(&mut self) -> Result<Option<Page>, ReadError> {
        let (read, page) = match std::mem::replace(&mut self.state, State::End) {
            State::End => return Ok(None),
            State::Ask(read) => {
                let page = self.store.read(&read).await;
                (read, page)
            }
            State::Ahead(read, page) => {
                let page = page.await.unwrap_or_else(|error| Err(ReadError::Unavailable { source: error.into() }));
                (read, page)
            }
        };
        match page {
            Ok(page) => {
                self.state = read.behind(&page).map_or(State::End, |next| self.ahead(next));
                Ok(Some(page))
            }
            Err(error) => {
                self.state = State::Ask(read);
                Err(error)
            }
        }
    }

    /// The events as a [`Stream`](futures_util::Stream), which ends behind the first error.
    pub fn into_stream(self) -> impl futures_util::Stream<Item = Result<RecordedEvent, ReadError>> + Send {
        futures_util::stream::try_unfold(self, |mut reader| async move {
            Ok(reader.next().await?.map(|event| (event, reader)))
        })
    }

    fn ahead(&self, read: Read) -> State {
        let (store, wanted) = (std::sync::Arc::clone(&self.store), read.clone());
        State::Ahead(Box::new(read), tokio::spawn(async move { store.read(&wanted).await }))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let State::Ahead(_, page) = &self.state {
            page.abort();
        }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("store", &self.store.address()).finish_non_exhaustive()
    }
}
