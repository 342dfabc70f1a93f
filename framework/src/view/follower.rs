//! Finds out which documents have changed without a processor of this node: those of live and inline views, which change
//! with the append, and those of asynchronous views that another node keeps.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::handler::error::chain;
use crate::message::{Position, RecordedEvent};
use crate::processor::Processors;
use crate::store::error::BoxError;
use crate::store::{Journal, Read};

use super::ViewMode;
use super::changes::{ViewChanges, Written};
use super::followed::FollowedView;

/// The pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_millis(250);

/// Follows the views that somebody is interested in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Follower(Arc<Inner>);

struct Inner {
    journal: Journal,
    processors: Processors,
    changes: ViewChanges,
    views: HashMap<&'static str, FollowedView>,
    poll: Duration,
    /// By view, how far it was looked at.
    seen: Mutex<HashMap<&'static str, Seen>>,
    /// Wakes it when there is a view more to follow.
    begun: Notify,
}

/// How far a view was looked at.
#[derive(Debug, Clone, Copy)]
enum Seen {
    /// Events up to here.
    Events(Position),
    /// The claim that this node had, if any, and what was written then.
    Written { fence: Option<u64>, changes: u64 },
}

impl Follower {
    pub(crate) fn new(
        journal: Journal,
        processors: Processors,
        changes: ViewChanges,
        views: impl IntoIterator<Item = FollowedView>,
        poll: Duration,
    ) -> Self {
        let views = views.into_iter().map(|view| (view.name, view)).collect();
        Self(Arc::new(Inner {
            journal,
            processors,
            changes,
            views,
            poll,
            seen: Mutex::default(),
            begun: Notify::new(),
        }))
    }

    /// From now on changes of `view` are noticed. Whoever is interested has registered before.
    pub(crate) async fn begin(&self, view: &'static str) -> Result<(), BoxError> {
        let Some(followed) = self.0.views.get(view) else { return Ok(()) };
        if self.seen().contains_key(view) {
            return Ok(());
        }
        let seen = self.look(followed).await?;
        self.seen().entry(view).or_insert(seen);
        self.0.begun.notify_one();
        Ok(())
    }

    /// Runs until it is stopped. Where nobody is interested in anything it sleeps.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut appended = self.0.journal.store().appended();
        while !stop.is_cancelled() {
            appended.borrow_and_update();
            let views = self.wanted();
            let mut pause = self.0.poll;
            for (view, seen) in &views {
                if let Err(error) = self.follow(view, *seen).await {
                    tracing::warn!(view, error = chain(&*error), "changes of a view cannot be followed");
                    pause = STORE_PAUSE;
                }
            }
            let idle = views.is_empty();
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.0.begun.notified() => {}
                _ = appended.changed(), if !idle => {}
                () = tokio::time::sleep(pause), if !idle => {}
            }
        }
    }

    /// The views to follow. The others are forgotten, under the lock that a newcomer looks through after it has
    /// registered.
    fn wanted(&self) -> Vec<(&'static str, Seen)> {
        let mut seen = self.seen();
        let wanted = self.0.changes.wanted();
        seen.retain(|view, _| wanted.contains(view));
        seen.iter().map(|(view, seen)| (*view, *seen)).collect()
    }

    async fn follow(&self, view: &'static str, seen: Seen) -> Result<(), BoxError> {
        let Some(followed) = self.0.views.get(view) else { return Ok(()) };
        let next = match seen {
            Seen::Events(position) => Seen::Events(self.follow_events(followed, position).await?),
            Seen::Written { fence, .. } if fence.is_some() && fence == self.fence(followed) => return Ok(()),
            Seen::Written { changes: before, .. } => {
                let now = self.look(followed).await?;
                if !matches!(now, Seen::Written { changes, .. } if changes == before) {
                    self.0.changes.changed(view, None);
                }
                now
            }
        };
        if let Some(seen) = self.seen().get_mut(view) {
            *seen = next;
        }
        Ok(())
    }

    /// Reports the documents that events after `position` concern; returns how far that is.
    async fn follow_events(&self, view: &FollowedView, mut position: Position) -> Result<Position, BoxError> {
        let criteria = Journal::named(view.documents.events());
        loop {
            let page = self.0.journal.read(Read::matching(criteria.clone(), position)).await?;
            if !page.events.is_empty() {
                self.0.changes.changed(view.name, keys(view, &page.events).await.as_deref());
            }
            position = page.scanned;
            if !page.more {
                return Ok(position);
            }
        }
    }

    /// How far the view is now.
    async fn look(&self, view: &FollowedView) -> Result<Seen, BoxError> {
        if view.mode != ViewMode::Asynchronous {
            return Ok(Seen::Events(self.0.journal.store().head().await?));
        }
        let fence = self.fence(view);
        let changes = Written::read(&self.0.journal, &view.id).await?.changes;
        Ok(Seen::Written { fence, changes })
    }

    /// The time in which this node keeps the whole view; its processor then reports each change.
    fn fence(&self, view: &FollowedView) -> Option<u64> {
        let here = self.0.processors.get(&view.processor)?.here.borrow();
        here.all.then_some(here.epoch)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<&'static str, Seen>> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The keys of the documents that `events` concern; `None` stands for any document, since one cannot be decoded.
async fn keys(view: &FollowedView, events: &[RecordedEvent]) -> Option<Vec<String>> {
    let mut keys = BTreeSet::new();
    for event in events {
        keys.extend(view.documents.keys(event).await.ok()?);
    }
    Some(keys.into_iter().collect())
}
