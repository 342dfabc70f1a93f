//! What a consumer does behind its stream: one turn after another, until it ends.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::pending;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::message::Position;

use super::ahead::Shared;
use super::config::ConsumerConfig;
use super::consumer::End;
use super::delivery::{Answer, Delivery};
use super::desk::Desk;
use super::error::{ConsumeError, SubscriptionError};
use super::turn::Turn;

/// Between two looks at the log, as far as nobody has answered. Less finds events sooner; more spares the database work
/// while others append many events that do not match.
const GAP: Duration = Duration::from_millis(10);

/// Before the database is asked again after it did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a consumer that ends tries to say so.
const FAREWELLS: u32 = 3;

pub(super) struct Driver {
    pub(super) desk: Desk,
    pub(super) shared: Arc<Shared>,
    pub(super) name: String,
    pub(super) generation: String,
    pub(super) id: String,
    pub(super) config: ConsumerConfig,
    pub(super) given: mpsc::Sender<Delivery>,
    pub(super) answers: mpsc::UnboundedReceiver<Answer>,
    pub(super) answering: mpsc::UnboundedSender<Answer>,
    pub(super) end: Arc<End>,
    pub(super) stop: CancellationToken,
    pub(super) state: State,
}

/// What the driver remembers between two turns.
#[derive(Default)]
pub(super) struct State {
    /// What the consumer has, by the number of the delivery.
    pub(super) held: HashMap<u64, Held>,
    /// Answers that are not yet written.
    pub(super) pending: Vec<Answer>,
    pub(super) looked: Option<Instant>,
    pub(super) advanced: Option<Instant>,
    /// Whether something may have been given to this consumer that it has never got.
    pub(super) in_doubt: bool,
    pub(super) stopping: bool,
}

pub(super) struct Held {
    pub(super) deadline: Instant,
    pub(super) seen: Arc<AtomicBool>,
}

impl Driver {
    pub(super) async fn run(mut self) {
        let error = self.serve().await;
        self.end.set(error);
        self.answers.close();
        self.leave().await;
        self.shared.wake();
    }

    /// Goes on until there is a reason to end.
    async fn serve(&mut self) -> Option<ConsumeError> {
        let mut appended = self.desk.journal.store().appended();
        let mut changed = self.shared.changed();
        loop {
            appended.borrow_and_update();
            changed.borrow_and_update();
            let wait = match self.turn().await {
                Ok(Turn::Again) => Duration::ZERO,
                Ok(Turn::Wait(wait)) => wait,
                Ok(Turn::Over(error)) => return Some(error),
                Err(SubscriptionError::Unreadable { name, source }) => {
                    return Some(ConsumeError::Unreadable { name, reason: source.to_string() });
                }
                Err(error) => {
                    tracing::warn!(subscription = %self.name, %error, "a consumer cannot go on for a moment");
                    self.give_up_late(&error);
                    PAUSE
                }
            };
            if self.state.stopping {
                return None;
            }
            let has_room = self.room(0) > 0;
            let looked = self.state.looked.map_or_else(Instant::now, |looked| looked + GAP);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                () = self.given.closed() => return None,
                Some(answer) = self.answers.recv() => self.state.pending.push(answer),
                () = woken(&mut appended, &mut changed, looked), if has_room => {}
                () = sleep(wait) => {}
            }
            self.collect();
        }
    }

    fn collect(&mut self) {
        while let Ok(answer) = self.answers.try_recv() {
            self.state.pending.push(answer);
        }
    }

    /// For how many more events there is room once `answered` answers are written.
    pub(super) fn room(&mut self, answered: usize) -> usize {
        let now = Instant::now();
        self.state.held.retain(|_, held| held.deadline > now || !held.seen.load(Ordering::Relaxed));
        self.config.buffer.saturating_sub(self.state.held.len().saturating_sub(answered))
    }

    /// Writes the last answers and gives back the rest.
    async fn leave(&mut self) {
        self.collect();
        for farewell in 1..=FAREWELLS {
            match self.try_leave().await {
                Ok(()) => return,
                Err(error) if farewell == FAREWELLS => {
                    // Others take over when the time of the consumer is over.
                    tracing::warn!(subscription = %self.name, %error, "a consumer has ended without saying so");
                }
                Err(_) => sleep(PAUSE / 4).await,
            }
        }
    }

    async fn try_leave(&mut self) -> Result<(), SubscriptionError> {
        let opened = self.desk.open(&self.name).await?.filter(|open| open.book.row.generation == self.generation);
        let Some(mut open) = opened else {
            self.removed();
            return Ok(());
        };
        let outcomes = self.apply_answers(&mut open.book);
        let unseen = self.state.held.iter().filter(|(_, held)| !held.seen.load(Ordering::Relaxed));
        let unseen: HashSet<u64> = unseen.map(|(number, _)| *number).collect();
        open.book.leave(&self.id, &unseen);
        if let Err(error) = open.commit().await {
            self.state.pending.iter_mut().for_each(|answer| answer.tried = true);
            return Err(error);
        }
        self.settle(outcomes);
        Ok(())
    }
}

/// Returns when there may be something to take, but not before `not_before`.
async fn woken(appended: &mut watch::Receiver<Position>, changed: &mut watch::Receiver<()>, not_before: Instant) {
    tokio::select! {
        heard = appended.changed() => if heard.is_err() { pending().await },
        heard = changed.changed() => if heard.is_err() { pending().await },
    }
    sleep_until(not_before).await;
}
