use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;

use super::*;
use crate::message::{EventId, StreamId, Timestamp};
use crate::store::{Append, EventStore, MemoryStore, NewEvent};

/// A store with `events` events.
async fn filled(events: u64) -> SharedStore {
    let event = |_| NewEvent {
        stream: StreamId::new("a", "1"),
        id: EventId::new(),
        name: "happened".into(),
        revision: 1,
        payload: Vec::new(),
        metadata: Arc::default(),
        tags: Vec::new(),
        recorded_at: Timestamp::default(),
    };
    let store = MemoryStore::new();
    store.append(Append { events: (0..events).map(event).collect(), ..Append::default() }).await.unwrap();
    Arc::new(store)
}

fn all() -> Read {
    Read::all(Position::START).limit(10)
}

/// The positions in all pages that `reader` gives.
async fn positions<P: Paged>(mut reader: Reader<P>, of: impl Fn(&P) -> &Page) -> Vec<u64> {
    let mut positions = Vec::new();
    while let Some(page) = reader.next_page().await.unwrap() {
        positions.extend(of(&page).events.iter().map(|event| event.recorded.position.get()));
    }
    positions
}

#[tokio::test]
async fn a_call_that_is_given_up_loses_nothing() {
    let mut reader = Reader::new(filled(95).await, all());
    let mut seen = Vec::new();
    loop {
        match reader.next().now_or_never() {
            Some(Ok(Some(event))) => seen.push(event.recorded.position.get()),
            Some(end) => break assert!(end.unwrap().is_none()),
            None => tokio::task::yield_now().await,
        }
    }
    assert_eq!(seen, (1..=95).collect::<Vec<_>>());
}

/// Pages whose guesses are all wrong.
struct Misguided(Page);

impl Paged for Misguided {
    fn read<'a>(store: &'a dyn Store, read: &'a Read) -> BoxFuture<'a, Result<Self, ReadError>> {
        Box::pin(async { store.read(read).await.map(Self) })
    }

    fn behind(&self, read: &Read) -> Option<Read> {
        read.behind(&self.0)
    }

    fn head(&self) -> Position {
        self.0.head
    }

    fn guess(&self, _: &Read, next: &Read) -> Option<Read> {
        next.beyond(next.after() + 13)
    }
}

#[tokio::test]
async fn a_page_that_was_guessed_wrong_is_not_used() {
    let reader = Reader::<Misguided>::paged(filled(95).await, all());
    assert_eq!(positions(reader, |page| &page.0).await, (1..=95).collect::<Vec<_>>());
}

/// Pages of which the third was read before the second one.
struct Early(Page);

static WAS_EARLY: AtomicBool = AtomicBool::new(false);

impl Paged for Early {
    fn read<'a>(store: &'a dyn Store, read: &'a Read) -> BoxFuture<'a, Result<Self, ReadError>> {
        Box::pin(async move {
            let mut page = store.read(read).await?;
            if read.after() == 20 && !WAS_EARLY.swap(true, Ordering::SeqCst) {
                (page.events, page.head, page.scanned, page.more) = (Vec::new(), Position::new(15), page.head, false);
            }
            Ok(Self(page))
        })
    }

    fn behind(&self, read: &Read) -> Option<Read> {
        read.behind(&self.0)
    }

    fn head(&self) -> Position {
        self.0.head
    }

    fn guess(&self, _: &Read, next: &Read) -> Option<Read> {
        next.beyond(next.after() + 10)
    }
}

#[tokio::test]
async fn a_guessed_page_that_knows_less_than_the_one_before_is_read_again() {
    let reader = Reader::<Early>::paged(filled(45).await, all());
    assert_eq!(positions(reader, |page| &page.0).await, (1..=45).collect::<Vec<_>>());
    assert!(WAS_EARLY.load(Ordering::SeqCst));
}
