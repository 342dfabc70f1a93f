//! Who is told when documents change.
//!
//! A subscription holds an [`Interest`]. Processors of this node report the documents of each page that they have
//! committed; the [`Follower`](super::Follower) reports what else has changed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

use crate::handler::Reads;
use crate::processor::is_replaying;
use crate::store::records::ViewId;
use crate::store::{DocumentChange, Journal, StoreError, StoreTransaction};

/// The documents about an asynchronous view lie under its name and this bit of the version.
pub(super) const ABOUT: u32 = 1 << 31;
/// Key of the document that is written with each commit that changes documents.
const CHANGES: &str = "changes";
/// Key of the document that is written with each replay.
const REPLAYS: &str = "replays";

/// Knows who is interested in documents. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct ViewChanges(Arc<Mutex<Vec<Weak<Interest>>>>);

/// What one subscription has read, and the signal that it has changed. Dropping it ends it.
pub(crate) struct Interest {
    views: Vec<&'static str>,
    reads: Mutex<Arc<Reads>>,
    /// Holds a permit while a change waits for the subscription.
    pub(crate) signal: Notify,
}

impl Interest {
    /// From now on what `reads` notes is of interest, and nothing else.
    pub(crate) fn replace(&self, reads: Arc<Reads>) {
        *self.reads.lock().unwrap_or_else(PoisonError::into_inner) = reads;
    }

    fn touches(&self, view: &str, keys: Option<&[String]>) -> bool {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).touches(view, keys)
    }
}

impl ViewChanges {
    /// An interest in what `reads` notes, which are documents of `views`.
    pub(crate) fn register(&self, views: Vec<&'static str>, reads: Arc<Reads>) -> Arc<Interest> {
        let interest = Arc::new(Interest { views, reads: Mutex::new(reads), signal: Notify::new() });
        let mut interests = self.interests();
        interests.retain(|interest| interest.strong_count() > 0);
        interests.push(Arc::downgrade(&interest));
        interest
    }

    /// The documents `keys` of `view`, which are sorted, have changed; without them nobody knows which.
    pub(crate) fn changed(&self, view: &str, keys: Option<&[String]>) {
        let mut interests = self.interests();
        interests.retain(|interest| interest.strong_count() > 0);
        for interest in interests.iter().filter_map(Weak::upgrade) {
            if interest.touches(view, keys) {
                interest.signal.notify_one();
            }
        }
    }

    /// The views that somebody is interested in.
    pub(super) fn wanted(&self) -> BTreeSet<&'static str> {
        let mut interests = self.interests();
        interests.retain(|interest| interest.strong_count() > 0);
        interests.iter().filter_map(Weak::upgrade).flat_map(|interest| interest.views.clone()).collect()
    }

    fn interests(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Interest>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records in `transaction` that documents of an asynchronous view change with it.
pub(super) async fn record_change(view: &ViewId, transaction: &mut dyn StoreTransaction) -> Result<(), StoreError> {
    write(view, &[CHANGES], transaction).await
}

/// Records in `transaction` that an asynchronous view is built anew.
pub(super) async fn record_replay(view: &ViewId, transaction: &mut dyn StoreTransaction) -> Result<(), StoreError> {
    write(view, &[CHANGES, REPLAYS], transaction).await
}

async fn write(view: &ViewId, keys: &[&str], transaction: &mut dyn StoreTransaction) -> Result<(), StoreError> {
    // Only the number of writes counts, which is the revision.
    let writes = keys.iter().map(|key| DocumentChange::put(*key, b"{}")).collect();
    transaction.write_documents(&about(view), writes).await
}

/// How often an asynchronous view was written. It moves with every commit that changes documents, on whatever node: with
/// pages, with dead letters that were tried again, and with replays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Written {
    /// Commits that changed documents.
    pub(crate) changes: u64,
    /// Replays among them.
    pub(crate) replays: u64,
}

impl Written {
    pub(crate) async fn read(journal: &Journal, view: &ViewId) -> Result<Self, StoreError> {
        let keys = [CHANGES.to_owned(), REPLAYS.to_owned()];
        let mut written = Self::default();
        for document in journal.store().documents(&about(view), &keys).await? {
            match document.key.as_str() {
                CHANGES => written.changes = document.revision,
                _ => written.replays = document.revision,
            }
        }
        Ok(written)
    }
}

/// How the documents of an asynchronous view stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    /// How often the view was built anew.
    pub(crate) replays: u64,
    /// Whether it is not as far as it was before that.
    pub(crate) is_behind: bool,
}

impl Standing {
    pub(crate) async fn read(journal: &Journal, view: &ViewId, processor: &str) -> Result<Self, StoreError> {
        let rows = journal.store().segments_of(journal.tenant(), processor).await?;
        let replays = Written::read(journal, view).await?.replays;
        Ok(Self { replays, is_behind: rows.iter().any(is_replaying) })
    }
}

fn about(view: &ViewId) -> ViewId {
    ViewId { version: view.version | ABOUT, ..view.clone() }
}
