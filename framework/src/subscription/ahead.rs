//! Events read ahead for a subscription, shared by its consumers on this node.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;

use crate::message::{Metadata, Position, Recorded, RecordedEvent, Tag};
use crate::store::Journal;
use crate::store::subscriptions::Glance;

use super::book::{Ahead, shortened};
use super::config::{Strategy, SubscriptionConfig};
use super::error::SubscriptionError;

/// Events that a node reads ahead for one subscription.
const PAGE: usize = 256;

/// Bytes of a sequence that are kept: tenant, subscription and sequence fit into the keys of every database.
const SEQUENCE: usize = 1_024;

/// The subscriptions that have consumers on this node.
#[derive(Debug, Clone, Default)]
pub(super) struct Hub(Arc<Mutex<HashMap<String, Weak<Shared>>>>);

/// What the consumers of one subscription share on this node.
#[derive(Debug, Default)]
pub(super) struct Shared {
    window: tokio::sync::Mutex<Window>,
    changed: watch::Sender<()>,
}

/// Every event that matches behind `from`, up to `to`.
#[derive(Debug, Default)]
struct Window {
    generation: String,
    revision: u64,
    from: Position,
    to: Position,
    events: VecDeque<(Ahead, Arc<RecordedEvent>)>,
}

/// What was read ahead: every event that matches behind `from`, up to `to`.
#[derive(Debug)]
pub(super) struct View {
    pub(super) revision: u64,
    pub(super) from: Position,
    pub(super) to: Position,
    pub(super) events: Vec<Ahead>,
    pub(super) content: HashMap<Position, Arc<RecordedEvent>>,
}

impl Hub {
    pub(super) fn of(&self, name: &str) -> Arc<Shared> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = all.get(name).and_then(Weak::upgrade) {
            return shared;
        }
        all.retain(|_, shared| shared.strong_count() > 0);
        let shared = Arc::default();
        all.insert(name.to_owned(), Arc::downgrade(&shared));
        shared
    }

    /// Wakes the consumers of `name` on this node.
    pub(super) fn wake(&self, name: &str) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = all.get(name).and_then(Weak::upgrade) {
            shared.wake();
        }
    }
}

impl Shared {
    pub(super) fn wake(&self) {
        self.changed.send_replace(());
    }

    /// A signal that changes when consumers have something to look for.
    pub(super) fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Looks ahead of the place up to which the subscription has come, for at least `wanted` events if there are so many.
    pub(super) async fn look(
        &self,
        journal: &Journal,
        glance: &Glance,
        config: &SubscriptionConfig,
        wanted: usize,
    ) -> Result<View, SubscriptionError> {
        let mut window = self.window.lock().await;
        window.move_to(glance);
        if window.events.len() < wanted.min(PAGE) && glance.head > window.to {
            let room = PAGE - window.events.len();
            let page = journal.read(config.filter.read(window.to).limit(room)).await?;
            let sequences = sequences(journal, &config.strategy, &page.events).await?;
            window.to = page.scanned.max(window.to);
            let ahead = page
                .events
                .into_iter()
                .zip(sequences)
                .map(|(event, sequence)| (Ahead { position: event.recorded.position, sequence }, Arc::new(event)));
            window.events.extend(ahead);
        }
        Ok(window.view(if config.strategy.is_pinned() { usize::MAX } else { wanted }))
    }
}

impl Window {
    fn move_to(&mut self, glance: &Glance) {
        let row = &glance.row;
        let other = (&*self.generation, self.revision) != (&*row.generation, row.revision);
        if other || row.position > self.to {
            (self.generation, self.revision) = (row.generation.clone(), row.revision);
            (self.from, self.to) = (row.position, row.position);
            self.events.clear();
        }
        while self.events.front().is_some_and(|(ahead, _)| ahead.position <= row.position) {
            self.events.pop_front();
        }
        self.from = self.from.max(row.position);
    }

    fn view(&self, limit: usize) -> View {
        let shown = self.events.len().min(limit);
        let events: Vec<Ahead> = self.events.iter().take(shown).map(|(ahead, _)| ahead.clone()).collect();
        let content = self.events.iter().take(shown).map(|(ahead, event)| (ahead.position, Arc::clone(event)));
        let cut = events.last().filter(|_| shown < self.events.len()).map(|last| last.position);
        View {
            revision: self.revision,
            from: self.from,
            to: cut.unwrap_or(self.to),
            content: content.collect(),
            events,
        }
    }
}

/// What each of `events` must not overtake.
async fn sequences(
    journal: &Journal,
    strategy: &Strategy,
    events: &[RecordedEvent],
) -> Result<Vec<String>, SubscriptionError> {
    let tags: HashMap<Position, Vec<Tag>> = match strategy {
        Strategy::PinnedByTag(_) if !events.is_empty() => {
            let positions: Vec<Position> = events.iter().map(|event| event.recorded.position).collect();
            journal.store().subscriptions().tags(journal.tenant(), &positions).await?.into_iter().collect()
        }
        _ => HashMap::new(),
    };
    let sequence = |event: &RecordedEvent| {
        let Recorded { position, stream, .. } = &event.recorded;
        let own = match strategy {
            Strategy::PinnedByTag(key) => {
                let tag = tags.get(position).into_iter().flatten().find(|tag| tag.key() == key);
                tag.map(|tag| format!("tag {}", tag.value()))
            }
            Strategy::PinnedByCorrelation => {
                event.recorded.metadata().get(Metadata::CORRELATION_ID).map(|id| format!("correlation {id}"))
            }
            Strategy::PinnedByStream => None,
            Strategy::RoundRobin | Strategy::Single => return String::new(),
        };
        shortened(own.unwrap_or_else(|| format!("stream {stream}")), SEQUENCE)
    };
    Ok(events.iter().map(sequence).collect())
}
