//! A store whose process ends at one of its commits: right before it, or right behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use annals::store::{Append, AppendError, Appended, SharedStore, Store, StoreError, StoreTransaction};
use annals_tests::wrapped::{AtCommit, Wrapped, WrappedTransaction, Wrapper};
use async_trait::async_trait;

/// When the process ends.
#[derive(Debug)]
pub(super) struct Fate {
    /// Commits that are left.
    left: AtomicI64,
    behind: bool,
}

impl Fate {
    /// At the commit with this number, counted from 1; never for 0.
    pub(super) fn at(commit: i64, behind: bool) -> Arc<Self> {
        let left = if commit == 0 { i64::MAX } else { commit };
        Arc::new(Self { left: AtomicI64::new(left), behind })
    }
}

#[derive(Debug, Clone)]
struct Commit(Arc<Fate>);

impl AtCommit for Commit {
    fn before(&self) {
        let last = self.0.left.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && !self.0.behind {
            std::process::abort();
        }
    }

    fn behind(&self) {
        if self.0.left.load(Ordering::SeqCst) <= 0 && self.0.behind {
            std::process::abort();
        }
    }
}

struct Mortal {
    inner: SharedStore,
    fate: Arc<Fate>,
}

/// `inner`, with this fate.
pub(super) fn mortal(inner: SharedStore, fate: Arc<Fate>) -> SharedStore {
    Arc::new(Wrapped(Mortal { inner, fate }))
}

#[async_trait]
impl Wrapper for Mortal {
    fn inner(&self) -> &dyn Store {
        &*self.inner
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let commit = Commit(Arc::clone(&self.fate));
        commit.before();
        let appended = self.inner.append(append).await;
        commit.behind();
        appended
    }

    async fn begin(&self) -> Result<Box<dyn StoreTransaction>, StoreError> {
        let inner = self.inner.begin().await?;
        Ok(Box::new(WrappedTransaction { inner, at_commit: Commit(Arc::clone(&self.fate)) }))
    }
}
