//! A consumer of a subscription, as its user sees it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::delivery::Delivery;
use super::error::ConsumeError;

/// A stream of the events that this consumer is given. It holds at most
/// [`buffer`](super::ConsumerConfig::buffer) of them without an answer.
///
/// It ends behind the first error, which says why; without an error it ends when the application is shut down, or behind
/// [`Nack::Stop`](super::Nack::Stop). A database that does not answer ends nothing: the consumer tries again until it does.
/// Dropping it gives back what was not answered.
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is polled, and its events wait for an answer"]
pub struct Consumer {
    id: String,
    deliveries: mpsc::Receiver<Delivery>,
    end: Arc<End>,
    task: JoinHandle<()>,
}

/// How a consumer has ended.
#[derive(Debug, Default)]
pub(super) struct End(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Open,
    Over(Option<ConsumeError>),
}

impl End {
    pub(super) fn set(&self, error: Option<ConsumeError>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::Over(error);
    }

    /// `None` while it goes on; else the error, the first time.
    fn take(&self) -> Option<Option<ConsumeError>> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Open => None,
            State::Over(error) => Some(error.take()),
        }
    }
}

impl Consumer {
    pub(super) fn new(id: String, deliveries: mpsc::Receiver<Delivery>, end: Arc<End>, task: JoinHandle<()>) -> Self {
        Self { id, deliveries, end, task }
    }

    /// By what operators know it: [`SubscriptionsHandle::drop_consumer`](super::SubscriptionsHandle::drop_consumer).
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Ends it: writes the answers that were given, gives back what was not answered, and returns when others can have it.
    pub async fn close(self) {
        let Self { deliveries, task, .. } = self;
        drop(deliveries);
        // It ends by itself; a panic inside is reported to the log of tokio.
        let _ = task.await;
    }
}

impl Stream for Consumer {
    type Item = Result<Delivery, ConsumeError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(error) = self.end.take() {
                return Poll::Ready(error.map(Err));
            }
            match self.deliveries.poll_recv(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(delivery)) => {
                    if let Some(delivery) = delivery.shown() {
                        return Poll::Ready(Some(Ok(delivery)));
                    }
                }
                // The other end says how it has ended before it goes.
                Poll::Ready(None) => return Poll::Ready(self.end.take().flatten().map(Err)),
            }
        }
    }
}
