//! What runs around the commit of a unit of work.

use std::collections::VecDeque;
use std::mem;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::handler::{HandlerError, panic_message};

use super::UnitOfWork;

type Last = Box<dyn for<'a> FnOnce(&'a mut UnitOfWork) -> BoxFuture<'a, Result<(), HandlerError>> + Send>;

/// What runs around the commit, each in the order in which it was added.
#[derive(Default)]
pub(crate) struct Hooks {
    before_commit: VecDeque<Last>,
    after_commit: Vec<BoxFuture<'static, ()>>,
    on_roll_back: Vec<BoxFuture<'static, ()>>,
}

impl Hooks {
    pub(super) fn before_commit(
        &mut self,
        last: impl for<'a> FnOnce(&'a mut UnitOfWork) -> BoxFuture<'a, Result<(), HandlerError>> + Send + 'static,
    ) {
        self.before_commit.push_back(Box::new(last));
    }

    pub(super) fn after_commit(&mut self, action: impl Future<Output = ()> + Send + 'static) {
        self.after_commit.push(Box::pin(action));
    }

    pub(super) fn on_roll_back(&mut self, action: impl Future<Output = ()> + Send + 'static) {
        self.on_roll_back.push(Box::pin(action));
    }

    /// Adds those of `later`.
    pub(super) fn extend(&mut self, mut later: Self) {
        self.before_commit.append(&mut later.before_commit);
        self.after_commit.append(&mut later.after_commit);
        self.on_roll_back.append(&mut later.on_roll_back);
    }

    pub(super) fn next_before_commit(&mut self) -> Option<Last> {
        self.before_commit.pop_front()
    }

    /// Everything is stored.
    pub(crate) async fn committed(mut self) {
        self.on_roll_back.clear();
        run("after a commit", mem::take(&mut self.after_commit)).await;
    }

    /// Nothing is stored.
    pub(crate) async fn rolled_back(mut self) {
        run("after a roll-back", mem::take(&mut self.on_roll_back)).await;
    }
}

/// Nobody has said what became of the unit: nothing is stored, and nobody waits.
impl Drop for Hooks {
    fn drop(&mut self) {
        let undone = mem::take(&mut self.on_roll_back);
        if !undone.is_empty()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(run("after a roll-back", undone));
        }
    }
}

async fn run(when: &'static str, actions: Vec<BoxFuture<'static, ()>>) {
    for action in actions {
        if let Err(panic) = AssertUnwindSafe(action).catch_unwind().await {
            tracing::error!(panic = panic_message(&*panic), "an action {when} panicked");
        }
    }
}
