//! How far processors have got, and waiting for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use crate::message::{Position, StreamId};
use crate::store::{Claim, Journal, LetterState, StoreError};

use super::error::ReplayError;

/// The processors of an application.
#[derive(Debug, Clone)]
pub(crate) struct Processors {
    journal: Journal,
    by_name: Arc<BTreeMap<String, Progress>>,
}

/// How far one processor has got on this node.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    /// The newest position that is handled; changes after each page.
    pub(crate) position: watch::Sender<Position>,
    /// The claim while this node runs the processor.
    pub(crate) claim: watch::Sender<Option<Claim>>,
    /// Asks the processor to look at its dead letters and at the replays that are wanted.
    pub(crate) wake: Arc<Notify>,
    /// Replays that are wanted.
    pub(crate) replays: Arc<Mutex<Vec<ReplayAnswer>>>,
}

/// Tells whoever asked for a replay that it has begun.
pub(crate) type ReplayAnswer = oneshot::Sender<Result<(), ReplayError>>;

impl Default for Progress {
    fn default() -> Self {
        Self {
            position: watch::Sender::new(Position::START),
            claim: watch::Sender::new(None),
            wake: Arc::default(),
            replays: Arc::default(),
        }
    }
}

/// Why a processor has not come as far as was asked.
#[derive(Debug)]
pub(crate) enum Behind {
    /// The time was over.
    Late { processor: String, reached: Position, waited: Duration },
    /// The event that was waited for is a dead letter.
    Parked { processor: String },
    /// The store failed.
    Store(StoreError),
}

impl Processors {
    pub(crate) fn new(journal: Journal, names: impl IntoIterator<Item = String>) -> Self {
        let by_name = names.into_iter().map(|name| (name, Progress::default())).collect();
        Self { journal, by_name: Arc::new(by_name) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Progress> {
        self.by_name.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Progress)> {
        self.by_name.iter().map(|(name, progress)| (name.as_str(), progress))
    }

    /// Waits until `processor` has handled everything up to `wanted`. An event of `stream` that failed is waited for
    /// while it is tried again.
    pub(crate) async fn wait(
        &self,
        processor: &str,
        wanted: Position,
        stream: Option<&StreamId>,
        timeout: Duration,
    ) -> Result<(), Behind> {
        let deadline = Instant::now() + timeout;
        let mut watched = self.get(processor).map(|progress| progress.position.subscribe());
        loop {
            let mut reached = watched.as_mut().map(|watched| *watched.borrow_and_update()).unwrap_or_default();
            if reached < wanted {
                // Another node may run the processor.
                let stored =
                    self.journal.store().token(self.journal.tenant(), processor).await.map_err(Behind::Store)?;
                reached = reached.max(stored.unwrap_or_default());
            }
            if reached >= wanted {
                match self.letter(processor, wanted, stream).await? {
                    None => return Ok(()),
                    Some(LetterState::Parked) => return Err(Behind::Parked { processor: processor.to_owned() }),
                    Some(LetterState::Retrying(_)) => {}
                }
            }
            if Instant::now() >= deadline {
                return Err(Behind::Late { processor: processor.to_owned(), reached, waited: timeout });
            }
            let poll = (Instant::now() + Duration::from_millis(50)).min(deadline);
            match &mut watched {
                Some(watched) if reached < wanted => {
                    let _ = tokio::time::timeout_at(poll, watched.changed()).await;
                }
                _ => tokio::time::sleep_until(poll).await,
            }
        }
    }

    /// The state of a dead letter of `stream` at or before `wanted`.
    async fn letter(
        &self,
        processor: &str,
        wanted: Position,
        stream: Option<&StreamId>,
    ) -> Result<Option<LetterState>, Behind> {
        let Some(stream) = stream else { return Ok(None) };
        let sequence = stream.to_string();
        let letters = self
            .journal
            .store()
            .dead_letters(self.journal.tenant(), processor, usize::from(u16::MAX))
            .await
            .map_err(Behind::Store)?;
        let mut held = letters.into_iter().filter(|letter| letter.sequence == sequence && letter.position <= wanted);
        Ok(held.next().map(|letter| letter.state))
    }
}
