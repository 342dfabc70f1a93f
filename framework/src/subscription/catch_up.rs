//! Catch-up subscriptions: the log as a plain stream, from wherever the consumer left off.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio_util::sync::CancellationToken;

use crate::message::{Event, Position, Recorded, StreamId, Tag, Timestamp};
use crate::store::{Criteria, Journal, Read};

use super::error::{CatchUpError, EventError};
use super::filter::Filter;
use super::following::{Follow, Following, Item, Settings, Source};

/// Which events a catch-up subscription gives: `app.events()`. The consumer keeps its own place, and says it with
/// [`CatchUp::after`]. A subscription costs the database nothing but reads, and there may be any number of them.
///
/// ```standalone_crate
/// # use annals::prelude::*;
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.switched")] struct Switched { #[tag] lamp: String, on: bool }
/// use annals::subscription::Item;
/// use futures_util::StreamExt;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = Annals::open("memory:").await?;
/// let mut items = app.events().category("lamp").follow();
/// while let Some(item) = items.next().await.transpose()? {
///     match item {
///         Item::Event(event) => println!("{} at {}", event.name(), event.position()),
///         Item::Checkpoint(position) => println!("nothing that matches up to {position}"),
///         Item::CaughtUp(position) => { println!("all that is there, up to {position}"); break }
///         _ => {}
///     }
/// }
/// # app.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "ask it for `follow` or `to_head`"]
pub struct CatchUp {
    journal: Journal,
    stop: CancellationToken,
    filter: Filter,
    stream: Option<StreamId>,
    after: Position,
    since: Option<Timestamp>,
    settings: Settings,
}

impl CatchUp {
    pub(crate) fn new(journal: Journal, stop: CancellationToken) -> Self {
        let settings = Settings { page: Read::PAGE, poll: Duration::from_millis(500), notices: Duration::from_secs(1) };
        let filter = Filter::all();
        Self { journal, stop, filter, stream: None, after: Position::START, since: None, settings }
    }

    /// Events that pass `filter`, in place of all.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// Events of the streams of `category` alone.
    pub fn category(mut self, category: impl Into<String>) -> Self {
        self.filter = self.filter.in_category(category);
        self
    }

    /// Events of `stream` alone, which need not exist yet.
    pub fn stream(mut self, stream: StreamId) -> Self {
        self.stream = Some(stream);
        self
    }

    /// Events with any of these names alone.
    pub fn names<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.filter = self.filter.and_names(names);
        self
    }

    /// Events with this tag alone.
    pub fn tagged(mut self, tag: Tag) -> Self {
        self.filter = self.filter.and_tagged(tag);
        self
    }

    /// Events that match `criteria`, in place of what was said of names, tags and the category so far.
    pub fn matching(mut self, criteria: impl Into<Criteria>) -> Self {
        self.filter = Filter::matching(criteria);
        self
    }

    /// Begins behind `position`: the last one that the consumer has handled, or was told in a notice.
    pub fn after(mut self, position: Position) -> Self {
        self.after = position;
        self
    }

    /// Passes over events that were recorded before `instant`, by the clock of the node that wrote them.
    pub fn from_time(mut self, instant: Timestamp) -> Self {
        self.since = Some(instant);
        self
    }

    /// Events that are read at once. Default [`Read::PAGE`]; two pages are held at most.
    pub fn page(mut self, events: usize) -> Self {
        self.settings.page = events.max(1);
        self
    }

    /// How often events of other processes are looked for. Default 500 ms, at least 10 ms. Those of this process are given
    /// at once, on PostgreSQL those of others as well.
    pub fn poll(mut self, poll: Duration) -> Self {
        self.settings.poll = poll.max(Duration::from_millis(10));
        self
    }

    /// How often at most a notice says how far the log was read without a match. Default 1 s.
    pub fn notices(mut self, pause: Duration) -> Self {
        self.settings.notices = pause;
        self
    }

    /// History, page by page with the next one ahead, and then what is appended: each event once, in the order of the log,
    /// without a gap. The stream ends when the application is shut down; dropping it ends it as well.
    ///
    /// # Errors
    /// Items are [`CatchUpError::Read`] when the store does not answer; the stream goes on when it is polled again.
    pub fn follow(self) -> Following {
        self.start(None)
    }

    /// What is in the log when it is first read, and no more. The last item is [`Item::CaughtUp`].
    ///
    /// # Errors
    /// As [`CatchUp::follow`].
    pub fn to_head(self) -> Following {
        self.start(Some(()))
    }

    /// The events of the type `E`, decoded. Together with [`CatchUp::names`] only those of its name.
    pub fn of<E: Event>(self) -> TypedCatchUp<E> {
        TypedCatchUp { events: self.names([E::NAME]), event: PhantomData }
    }

    fn start(self, ends: Option<()>) -> Following {
        let Self { journal, stop, filter, stream, after, since, settings } = self;
        let source = Source { filter: Arc::new(filter), stream, since };
        Following::new(Follow::new(journal, stop, source, after, settings, ends.is_some()))
    }
}

/// A catch-up subscription to the events of one type, decoded.
///
/// ```standalone_crate
/// # use annals::prelude::*;
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.switched")] struct Switched { #[tag] lamp: String, on: bool }
/// use futures_util::TryStreamExt;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let app = Annals::open("memory:").await?;
/// let lit = app.events().of::<Switched>().to_head().try_filter(|(_, switched)| std::future::ready(switched.on));
/// println!("{} times", lit.try_collect::<Vec<_>>().await?.len());
/// # app.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "ask it for `follow` or `to_head`"]
pub struct TypedCatchUp<E> {
    events: CatchUp,
    event: PhantomData<fn() -> E>,
}

impl<E: Event> TypedCatchUp<E> {
    /// History and then what is appended; see [`CatchUp::follow`].
    ///
    /// # Errors
    /// As [`CatchUp::follow`], and [`CatchUpError::Event`] for one that cannot be decoded; the stream goes on behind it.
    pub fn follow(self) -> impl Stream<Item = Result<(Recorded, E), CatchUpError>> + Send + Unpin {
        typed(self.events.follow())
    }

    /// What is in the log when it is first read; see [`CatchUp::to_head`].
    ///
    /// # Errors
    /// As [`TypedCatchUp::follow`].
    pub fn to_head(self) -> impl Stream<Item = Result<(Recorded, E), CatchUpError>> + Send + Unpin {
        typed(self.events.to_head())
    }
}

fn typed<E: Event>(items: Following) -> impl Stream<Item = Result<(Recorded, E), CatchUpError>> + Send + Unpin {
    let decoded = items.then(|item| async {
        let event = match item {
            Ok(Item::Event(event)) => event,
            Ok(_) => return Vec::new(),
            Err(error) => return vec![Err(error)],
        };
        let failed = |source: EventError| CatchUpError::Event { position: event.position(), source };
        match event.decode_all::<E>().await {
            Ok(parts) => parts.into_iter().map(|part| Ok((event.recorded().clone(), part))).collect(),
            Err(error) => vec![Err(failed(error))],
        }
    });
    Box::pin(decoded.flat_map(stream::iter))
}
