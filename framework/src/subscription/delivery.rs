//! An event with a consumer, and what the consumer says of it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::message::{Event, Json, Position};
use crate::store::subscriptions::DeliveryRow;

use super::book::Verdict;
use super::error::{AnswerError, EventError};
use super::event::SubscribedEvent;

/// An event that this consumer has until it answers, or until its time is over.
///
/// One that is dropped without an answer is given out again when its time is over, or at once when its consumer ends. So does
/// one whose answer the process did not live to give: what a consumer does with an event it does at least once.
#[derive(Debug)]
#[must_use = "an event without an answer is given out again"]
pub struct Delivery {
    event: SubscribedEvent,
    number: u64,
    attempt: u32,
    was_parked: bool,
    reason: Option<String>,
    deadline: Instant,
    seen: Arc<AtomicBool>,
    answers: mpsc::UnboundedSender<Answer>,
}

/// Why an event is not done.
///
/// ```
/// use std::time::Duration;
/// use annals::subscription::{AnswerError, Delivery, Nack};
///
/// async fn refuse(delivery: Delivery, busy: bool) -> Result<(), AnswerError> {
///     match busy {
///         true => delivery.nack(Nack::RetryAfter(Duration::from_secs(60))).await,
///         false => delivery.nack(Nack::Park("the address is unknown".into())).await,
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nack {
    /// It is given out again, to anyone, after the pause of the settings; after too many attempts it is parked.
    Retry,
    /// The same, after this pause.
    RetryAfter(Duration),
    /// It is put aside for an operator, with this reason, of which 4 KiB are kept.
    Park(String),
    /// It is passed over: no consumer of this subscription gets it again.
    Skip,
    /// The consumer ends; what it has is given to others at once.
    Stop,
}

/// What was said of an event.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) position: Position,
    pub(super) number: u64,
    pub(super) verdict: Verdict,
    /// Whether the consumer ends with it.
    pub(super) stops: bool,
    pub(super) deadline: Instant,
    /// Whether it may have been written already.
    pub(super) tried: bool,
    pub(super) reply: Option<oneshot::Sender<Result<(), AnswerError>>>,
}

/// An answer on its way. It was handed over when this was made; await it to learn whether it counts.
#[derive(Debug)]
pub struct Answering {
    position: Position,
    reply: oneshot::Receiver<Result<(), AnswerError>>,
}

impl Delivery {
    pub(super) fn new(
        event: SubscribedEvent,
        row: DeliveryRow,
        deadline: Instant,
        seen: Arc<AtomicBool>,
        answers: mpsc::UnboundedSender<Answer>,
    ) -> Self {
        let DeliveryRow { number, attempts, replayed, reason, .. } = row;
        Self { event, number, attempt: attempts, was_parked: replayed, reason, deadline, seen, answers }
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> &SubscribedEvent {
        &self.event
    }

    /// Its global position.
    #[must_use]
    pub fn position(&self) -> Position {
        self.event.position()
    }

    /// How often it was given out, this time included, since it was taken from the log or from among the parked.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether it was parked before.
    #[must_use]
    pub fn was_parked(&self) -> bool {
        self.was_parked
    }

    /// Why the last attempt failed, or why it was parked.
    #[must_use]
    pub fn last_failure(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The event as an `E`; see [`SubscribedEvent::decode`].
    ///
    /// # Errors
    /// [`EventError`].
    pub async fn decode<E: Event>(&self) -> Result<E, EventError> {
        self.event.decode().await
    }

    /// The payload as JSON; see [`SubscribedEvent::json`].
    ///
    /// # Errors
    /// [`EventError`].
    pub async fn json(&self) -> Result<Json, EventError> {
        self.event.json().await
    }

    /// The event is done. Answers that are given while others are written are written together, in one transaction: to
    /// answer many, give all answers before you await the first, as [`ack_all`] does.
    ///
    /// # Errors
    /// The [`Answering`] gives [`AnswerError`] when the answer does not count.
    pub fn ack(self) -> Answering {
        self.answer(Verdict::Done, false)
    }

    /// The event is not done, and this is to become of it.
    ///
    /// # Errors
    /// As [`Delivery::ack`].
    pub fn nack(self, nack: Nack) -> Answering {
        match nack {
            Nack::Retry => self.answer(Verdict::Retry(None), false),
            Nack::RetryAfter(pause) => self.answer(Verdict::Retry(Some(pause)), false),
            Nack::Park(reason) => self.answer(Verdict::Park(reason), false),
            Nack::Skip => self.answer(Verdict::Done, false),
            Nack::Stop => self.answer(Verdict::Retry(Some(Duration::ZERO)), true),
        }
    }

    /// It is shown to whoever reads the stream of deliveries; `None` if its time is over already.
    pub(super) fn shown(self) -> Option<Self> {
        if Instant::now() < self.deadline {
            self.seen.store(true, Ordering::Relaxed);
            return Some(self);
        }
        drop(self.answer(Verdict::Unseen, false));
        None
    }

    fn answer(self, verdict: Verdict, stops: bool) -> Answering {
        let (reply, receiver) = oneshot::channel();
        let (position, number, deadline) = (self.position(), self.number, self.deadline);
        // Where the consumer has ended, the answer learns of it since nobody replies.
        let _ =
            self.answers.send(Answer { position, number, verdict, stops, deadline, tried: false, reply: Some(reply) });
        Answering { position, reply: receiver }
    }
}

/// Acknowledges all of `deliveries`, which costs hardly more than one.
///
/// ```
/// use annals::subscription::{Consumer, ack_all};
/// use futures_util::StreamExt;
///
/// # async fn consume(consumer: Consumer) -> Result<(), Box<dyn std::error::Error>> {
/// let mut chunks = consumer.ready_chunks(50);
/// while let Some(chunk) = chunks.next().await {
///     let deliveries = chunk.into_iter().collect::<Result<Vec<_>, _>>()?;
///     // .. handle all of them ..
///     ack_all(deliveries).await?;
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The first [`AnswerError`]; the other answers count or do not count by themselves.
pub async fn ack_all(deliveries: impl IntoIterator<Item = Delivery>) -> Result<(), AnswerError> {
    let answers: Vec<Answering> = deliveries.into_iter().map(Delivery::ack).collect();
    let mut outcome = Ok(());
    for answer in answers {
        outcome = outcome.and(answer.await);
    }
    outcome
}

impl Answer {
    /// Tells whoever waits.
    pub(super) fn reply(self, outcome: Result<(), AnswerError>) {
        if let Some(reply) = self.reply {
            // Nobody needs to wait.
            let _ = reply.send(outcome);
        }
    }
}

impl Future for Answering {
    type Output = Result<(), AnswerError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let position = self.position;
        let ended = |_| Err(AnswerError::Ended { position });
        Pin::new(&mut self.reply).poll(context).map(|outcome| outcome.unwrap_or_else(ended))
    }
}
