//! Pages on their way: one is handled, the next one is routed, and the one behind it is read.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::message::Position;
use crate::store::{Criteria, Page, Read, ReadError};

use super::routed::{Routed, Router};

/// What makes pages.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) router: Router,
    pub(super) criteria: Arc<Criteria>,
}

/// A page that was asked for. Nobody works on it once this is dropped.
pub(super) struct Coming<T> {
    /// Behind which position it begins.
    pub(super) from: Position,
    task: JoinHandle<Result<T, ReadError>>,
}

/// A routed page, and the one behind it.
pub(super) type Next = (Routed, Option<Coming<Page>>);

impl<T: Send + 'static> Coming<T> {
    fn new(from: Position, work: impl Future<Output = Result<T, ReadError>> + Send + 'static) -> Self {
        Self { from, task: tokio::spawn(work) }
    }

    /// The page; `None` if whoever worked on it is gone.
    pub(super) async fn here(mut self) -> Option<Result<T, ReadError>> {
        (&mut self.task).await.ok()
    }
}

impl<T> Drop for Coming<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Source {
    /// Has a page of at most `size` events behind `from` routed, which may be on its way already, and then the one behind it read.
    pub(super) fn begin(&self, from: Position, size: usize, on_its_way: Option<Coming<Page>>) -> Coming<Next> {
        let source = self.clone();
        Coming::new(from, async move { source.page(from, size, on_its_way).await })
    }

    /// The same, without a task of its own.
    pub(super) async fn page(
        &self,
        from: Position,
        size: usize,
        on_its_way: Option<Coming<Page>>,
    ) -> Result<Next, ReadError> {
        let read = match on_its_way.filter(|coming| coming.from == from) {
            Some(coming) => coming.here().await,
            None => None,
        };
        let page = match read {
            Some(page) => page?,
            None => self.router.journal.read(self.read(from, size)).await?,
        };
        let behind = page.more.then(|| {
            let (journal, from) = (self.router.journal.clone(), page.scanned);
            let read = self.read(from, size);
            Coming::new(from, async move { journal.read(read).await })
        });
        Ok((self.router.routed(page).await, behind))
    }

    fn read(&self, from: Position, size: usize) -> Read {
        Read::matching(Criteria::clone(&self.criteria), from).limit(size)
    }
}
