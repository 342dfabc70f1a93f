//! Group commit: one writer at a time, many appends for each commit.
//!
//! Appends from all tasks of a process meet in a queue. A writer task takes what waits there, up to a limit, and has the
//! backend write it in one go; while that commits, the next batch fills. A lone append never waits for a timer. The
//! queue is bounded: when it is full, callers wait.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::append::{Append, Appended};
use super::error::AppendError;
use super::limits::Limits;

/// The part of a backend that writes a batch under its append lock, in one commit.
#[async_trait]
pub trait BatchWriter: Send + Sync + 'static {
    /// Writes those appends of `batch` whose expectations hold; gives one answer for each, in order.
    async fn write(&self, batch: &[Append]) -> Vec<Result<Appended, AppendError>>;
}

/// How much one commit takes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BatchLimits {
    /// Appends that wait at most; more callers are held back. Default 4,096.
    pub queue: usize,
    /// Events of one batch at most, except that a single append always fits. Default 1,024.
    pub events: usize,
    /// Payload bytes of one batch at most, except that a single append always fits. Default 4 MiB.
    pub bytes: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { queue: 4096, events: 1024, bytes: 4 << 20 }
    }
}

type Answer = oneshot::Sender<Result<Appended, AppendError>>;

/// Gathers appends and hands them to a [`BatchWriter`].
#[derive(Debug)]
pub struct Batcher {
    queue: std::sync::Mutex<Option<mpsc::Sender<(Append, Answer)>>>,
    writer: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    limits: Limits,
}

impl Batcher {
    /// Starts the writer task; it needs a running tokio runtime.
    #[must_use]
    pub fn start(writer: Arc<dyn BatchWriter>, batch: BatchLimits, limits: Limits) -> Self {
        let (sender, receiver) = mpsc::channel(batch.queue);
        let task = tokio::spawn(run(writer, receiver, batch));
        Self { queue: std::sync::Mutex::new(Some(sender)), writer: tokio::sync::Mutex::new(Some(task)), limits }
    }

    /// Hands over `append` and waits for its commit. Once handed over it is written even if the caller goes away.
    ///
    /// # Errors
    /// As [`super::EventStore::append`].
    pub async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.limits.admit(&append)?;
        let queue = self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let Some(queue) = queue else { return Err(closed()) };
        let (answer, answered) = oneshot::channel();
        queue.send((append, answer)).await.map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(AppendError::OutcomeUnknown { source: "the writer stopped".into() }))
    }

    /// Takes no more appends and waits until what was handed over is written.
    pub async fn close(&self) {
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let writer = self.writer.lock().await.take();
        if let Some(writer) = writer
            && let Err(error) = writer.await
        {
            tracing::error!(%error, "the append writer ended badly");
        }
    }
}

fn closed() -> AppendError {
    AppendError::Unavailable { source: "the store is closed".into() }
}

async fn run(writer: Arc<dyn BatchWriter>, mut queue: mpsc::Receiver<(Append, Answer)>, limits: BatchLimits) {
    let mut left_over = None;
    loop {
        let first = match left_over.take() {
            Some(entry) => entry,
            None => match queue.recv().await {
                Some(entry) => entry,
                None => return,
            },
        };
        let (mut appends, mut answers) = (Vec::new(), Vec::new());
        let (mut events, mut bytes) = (0, 0);
        let mut next = Some(first);
        while let Some((append, answer)) = next.take() {
            let (more_events, more_bytes) = (append.events.len().max(1), size(&append));
            if !appends.is_empty() && (events + more_events > limits.events || bytes + more_bytes > limits.bytes) {
                left_over = Some((append, answer));
                break;
            }
            events += more_events;
            bytes += more_bytes;
            appends.push(append);
            answers.push(answer);
            next = queue.try_recv().ok();
        }
        let results = writer.write(&appends).await;
        debug_assert_eq!(results.len(), answers.len(), "one answer for each append");
        for (answer, result) in answers.into_iter().zip(results) {
            // A caller that went away does not want the answer.
            let _ = answer.send(result);
        }
        // Callers that were just answered often append again: let them, so that they share the next commit.
        tokio::task::yield_now().await;
    }
}

fn size(append: &Append) -> usize {
    let events: usize = append.events.iter().map(|event| event.payload.len()).sum();
    let documents: usize = append.documents.iter().filter_map(|write| write.document.as_ref()).map(Vec::len).sum();
    events + documents
}
