//! Group commit: one writer at a time, many appends for each commit.
//!
//! An append that comes while nothing is written is written at once, by itself. Those that come meanwhile wait in a queue;
//! whoever writes takes what waits there, up to a limit, and has the backend write it in one go, until nothing waits any
//! more. A lone append so goes through no queue and waits for no timer, and the busier a store is, the more appends share
//! a commit.
//!
//! The writing is done in a task of its own and not in that of the first caller: a caller may stop polling, and would then
//! hold the database's append lock for as long as it likes.

mod queue;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

use super::append::{Append, Appended};
use super::error::AppendError;
use super::limits::Limits;

use queue::{Entry, Queue};

/// The part of a backend that writes a batch under its append lock, in one commit.
#[async_trait]
pub trait BatchWriter: Send + Sync + 'static {
    /// Writes those appends of `batch` whose expectations hold; gives one answer for each, in order.
    async fn write(&self, batch: &[Append]) -> Vec<Result<Appended, AppendError>>;
}

/// How much one commit takes, and how much may wait for the next one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BatchLimits {
    /// Appends of one tenant that wait at most; more callers are held back. Default 4,096.
    pub queue: usize,
    /// Bytes of payloads, documents and snapshots of one tenant that wait at most, except that a single append always may;
    /// more callers are held back. Default 64 MiB.
    pub queue_bytes: usize,
    /// Events of one batch at most, except that a single append always fits. An append without events counts as one.
    /// Default 1,024.
    pub events: usize,
    /// Bytes of payloads, documents and snapshots of one batch at most, except that a single append always fits. Default
    /// 4 MiB.
    pub bytes: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { queue: 4096, queue_bytes: 64 << 20, events: 1024, bytes: 4 << 20 }
    }
}

type Answer = Result<Appended, AppendError>;

/// Gathers appends and hands them to a [`BatchWriter`].
///
/// Appends of one tenant are written in the order in which they came. Where several tenants wait, a batch takes one append
/// of each in turn, so that a tenant with many does not keep the others waiting.
pub struct Batcher {
    shared: Arc<Shared>,
    limits: Limits,
    runtime: Handle,
}

struct Shared {
    writer: Arc<dyn BatchWriter>,
    state: Mutex<State>,
    /// Raised when the writing ends.
    idle: Notify,
}

struct State {
    queue: Queue,
    /// Whether somebody writes, and will look at the queue afterwards.
    writing: bool,
    closed: bool,
}

impl Batcher {
    /// A batcher that writes in tasks of the running tokio runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(writer: Arc<dyn BatchWriter>, batch: BatchLimits, limits: Limits) -> Self {
        let state = Mutex::new(State { queue: Queue::new(batch), writing: false, closed: false });
        let shared = Arc::new(Shared { writer, state, idle: Notify::new() });
        Self { shared, limits, runtime: Handle::current() }
    }

    /// Hands over `append` when it is first polled, and waits for its commit. Once handed over it is written even if the
    /// caller goes away; a caller that is held back by a full queue takes its append with it.
    ///
    /// # Errors
    /// As [`super::EventStore::append`].
    pub async fn append(&self, append: Append) -> Answer {
        self.limits.admit(&append)?;
        self.hand_over(append)?.await
    }

    /// Takes no more appends and waits until what was handed over is written.
    pub async fn close(&self) {
        loop {
            let idle = self.shared.idle.notified();
            {
                let mut state = self.shared.lock();
                state.closed = true;
                if !state.writing {
                    return;
                }
            }
            idle.await;
        }
    }

    /// Whether no more appends are taken.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.lock().closed
    }

    fn hand_over(&self, append: Append) -> Result<Waiting, AppendError> {
        let tenant = append.tenant.clone();
        let (answer, answered) = oneshot::channel();
        let mut state = self.shared.lock();
        if state.closed {
            return Err(closed());
        }
        let number = state.queue.push(append, answer);
        if !state.writing {
            state.writing = true;
            let writing = Writing { shared: Arc::clone(&self.shared), done: false };
            // A task that is refused is dropped at once, and looks at the state.
            drop(state);
            self.runtime.spawn(writing.write());
        }
        Ok(Waiting { shared: Arc::clone(&self.shared), tenant, number, answered, ended: false })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write_batch(&self, batch: Vec<Entry>) {
        let (appends, answers): (Vec<Append>, Vec<_>) =
            batch.into_iter().map(|entry| (entry.append, entry.answer)).unzip();
        let written = AssertUnwindSafe(self.writer.write(&appends)).catch_unwind().await;
        let results = written.unwrap_or_else(|_| {
            tracing::error!(appends = appends.len(), "the writer of appends panicked");
            (0..appends.len()).map(|_| Err(lost())).collect()
        });
        debug_assert_eq!(results.len(), answers.len(), "one answer for each append");
        for (answer, result) in answers.into_iter().zip(results) {
            // A caller that went away does not want the answer.
            let _ = answer.send(result);
        }
    }
}

/// The right to write, and the duty to look at the queue afterwards.
struct Writing {
    shared: Arc<Shared>,
    /// Whether the duty is done. Somebody else may have the right by then.
    done: bool,
}

impl Writing {
    /// Writes what waits until nothing waits any more.
    async fn write(mut self) {
        while let Some(batch) = self.next() {
            let crowded = batch.len() > 1;
            self.shared.write_batch(batch).await;
            if crowded {
                // Callers that were just answered often append again: let them, so that they share the next commit.
                tokio::task::yield_now().await;
            }
        }
    }

    fn next(&mut self) -> Option<Vec<Entry>> {
        let mut state = self.shared.lock();
        let batch = state.queue.take();
        state.writing = !batch.is_empty();
        self.done = !state.writing;
        state.writing.then_some(batch)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.done {
            // The runtime has ended. Nobody writes any more. What was being written is unknown, as the answers tell that are
            // dropped with it; what waits was not written.
            let mut state = self.shared.lock();
            (state.closed, state.writing) = (true, false);
            for entry in state.queue.drain() {
                // A caller that went away does not want the answer.
                let _ = entry.answer.send(Err(closed()));
            }
        }
        self.shared.idle.notify_waiters();
    }
}

/// An append that was handed over, or waits to be.
struct Waiting {
    shared: Arc<Shared>,
    tenant: String,
    number: u64,
    answered: oneshot::Receiver<Answer>,
    ended: bool,
}

impl Future for Waiting {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let answer = ready!(Pin::new(&mut self.answered).poll(context));
        self.ended = true;
        Poll::Ready(answer.unwrap_or_else(|_| Err(lost())))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.lock().queue.leave(&self.tenant, self.number);
        }
    }
}

fn closed() -> AppendError {
    AppendError::Unavailable { source: "the store is closed".into() }
}

fn lost() -> AppendError {
    AppendError::OutcomeUnknown { source: "the writer of appends stopped".into() }
}

impl fmt::Debug for Batcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
