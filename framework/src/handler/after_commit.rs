//! What is done when the transaction of a handler has committed.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

type Action = Box<dyn FnOnce() + Send>;

/// What is done when a transaction has committed, and never if it does not.
///
/// Whoever runs the transaction holds this, and [`AfterCommit::committed`] ends it; handlers hold a [`Later`]. Dropped
/// without that, it forgets what it was given.
#[derive(Default)]
pub(crate) struct AfterCommit(Later);

/// Where a handler puts what is to be done after the commit.
#[derive(Clone, Default)]
pub(crate) struct Later(Arc<Mutex<Fate>>);

enum Fate {
    Open(Vec<Action>),
    Committed,
    RolledBack,
}

impl Default for Fate {
    fn default() -> Self {
        Self::Open(Vec::new())
    }
}

impl AfterCommit {
    /// Where handlers put what is to be done.
    pub(crate) fn later(&self) -> &Later {
        &self.0
    }

    /// Does everything, in the order in which it was given. What comes later is done at once.
    pub(crate) fn committed(self) {
        for action in self.0.end(Fate::Committed) {
            action();
        }
    }

    /// Takes over what `other` is to do; the two share one fate.
    pub(crate) fn join(&self, other: Self) {
        self.0.push(move || other.committed());
    }
}

impl Drop for AfterCommit {
    fn drop(&mut self) {
        self.0.end(Fate::RolledBack);
    }
}

impl Later {
    /// Has `action` done after the commit; at once where that was.
    pub(crate) fn push(&self, action: impl FnOnce() + Send + 'static) {
        let mut fate = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *fate {
            Fate::Open(actions) => actions.push(Box::new(action)),
            Fate::RolledBack => {}
            Fate::Committed => {
                drop(fate);
                action();
            }
        }
    }

    /// Settles the fate, unless that was done before; gives what is to be done then.
    fn end(&self, end: Fate) -> Vec<Action> {
        let mut fate = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*fate {
            Fate::Open(_) => match std::mem::replace(&mut *fate, end) {
                Fate::Open(actions) => actions,
                Fate::Committed | Fate::RolledBack => Vec::new(),
            },
            Fate::Committed | Fate::RolledBack => Vec::new(),
        }
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Later")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn counting(counter: &Arc<AtomicU32>) -> impl FnOnce() + Send + 'static {
        let counter = Arc::clone(counter);
        move || {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn what_was_put_off_is_done_after_the_commit_alone() {
        let counter = Arc::new(AtomicU32::new(0));
        let after = AfterCommit::default();
        let later = after.later().clone();
        later.push(counting(&counter));
        assert_eq!(counter.load(Ordering::SeqCst), 0);
        after.committed();
        assert_eq!(counter.load(Ordering::SeqCst), 1);
        later.push(counting(&counter));
        assert_eq!(counter.load(Ordering::SeqCst), 2, "the commit was before");
    }

    #[test]
    fn what_was_rolled_back_is_forgotten_with_all_that_joined() {
        let counter = Arc::new(AtomicU32::new(0));
        let (page, event) = (AfterCommit::default(), AfterCommit::default());
        let later = event.later().clone();
        later.push(counting(&counter));
        page.join(event);
        drop(page);
        later.push(counting(&counter));
        assert_eq!(counter.load(Ordering::SeqCst), 0);
    }
}
